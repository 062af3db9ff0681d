"""How several ranks divide a job: what each keeps of the model, and what they send one another."""
