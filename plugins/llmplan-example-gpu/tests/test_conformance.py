from llmplan.testing import HardwareTests


class TestExampleGpu(HardwareTests):
    name = "example-gpu"
