"""Where the tests of this folder run: on a CUDA device, or in a rehearsal (GATEBENCH_TEST_GPU=cpu) on the CPU."""

import os

import pytest
import torch

DEVICE = torch.device(os.environ.get("GATEBENCH_TEST_GPU", "cuda"))
ON_CUDA = DEVICE.type == "cuda"
TRAINER = "trainer=gpu" if ON_CUDA else "trainer=cpu"
on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(ON_CUDA and not torch.cuda.is_available(), reason="there is no CUDA device"),
]
cuda_alone = pytest.mark.skipif(not ON_CUDA, reason="a rehearsal: it needs a CUDA device")
