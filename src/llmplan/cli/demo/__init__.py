"""The demonstration: nanochat d32 on one RTX 4070, on a laptop, and on eight H100, against what people are told."""
