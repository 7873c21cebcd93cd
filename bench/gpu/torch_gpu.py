"""VNet in PyTorch on a CUDA GPU: one JSON argument (batch, height, width, rounds, classes), one JSON answer.

Times are medians in milliseconds: `latency` from u8 pixels on the host to u8 labels on the host, `throughput` the same
with frames queued one after another, `gpu` the kernels alone by CUDA events, `step` one training step.
Exit status 2 where there is no PyTorch or no CUDA device.
"""
import json
import os
import statistics
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("python3 has no PyTorch", file=sys.stderr)
    sys.exit(2)
if not torch.cuda.is_available():
    print("PyTorch finds no CUDA device", file=sys.stderr)
    sys.exit(2)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
from torch_vnet import MEAN, STD, VNet  # noqa: E402

JOB = json.loads(sys.argv[1])
ROUNDS = JOB["rounds"]
CONFIG = {
    "classes": JOB["classes"], "stem": 8, "widths": [64, 152], "pyramid": [3, 5, 7], "alpha": 1, "beta": 2,
    "dilations2": [[1, 2]], "dilations3": [[2, 4], [8, 16]],
}
DEVICE = torch.device("cuda")
MEAN, STD = MEAN.to(DEVICE), STD.to(DEVICE)
torch.backends.cudnn.benchmark = True


def model_of():
    torch.manual_seed(1)
    return VNet(CONFIG).to(DEVICE, memory_format=torch.channels_last)


def normalise(pixels, dtype):
    return ((pixels.to(torch.float32) / 255 - MEAN) / STD).permute(0, 3, 1, 2).to(dtype)


def clock(run):
    times = []
    for i in range(-3, ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if i >= 0:
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def gpu_time(run):
    times = []
    for _ in range(ROUNDS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def inference(dtype, compiled):
    model = model_of().eval().to(dtype)
    pixels = torch.randint(0, 256, (1, JOB["height"], JOB["width"], 3), dtype=torch.uint8).pin_memory()

    def classify(on_device):
        return model(normalise(on_device, dtype)).argmax(1).to(torch.uint8)

    if compiled:
        classify = torch.compile(classify, mode="reduce-overhead")
    with torch.inference_mode():
        resident = pixels.to(DEVICE)
        for _ in range(3):
            classify(resident)
        gpu = gpu_time(lambda: classify(resident))
        latency = clock(lambda: classify(pixels.to(DEVICE, non_blocking=True)).cpu())
        host = torch.empty((1, JOB["height"], JOB["width"]), dtype=torch.uint8).pin_memory()

        def frames():
            for _ in range(10):
                host.copy_(classify(pixels.to(DEVICE, non_blocking=True)), non_blocking=True)

        throughput = clock(frames) / 10
    return {"latency": latency, "throughput": throughput, "gpu": gpu}


def training(compiled):
    model = model_of().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, weight_decay=1e-4)
    scaler = torch.amp.GradScaler("cuda", enabled=compiled)
    shape = (JOB["batch"], JOB["height"], JOB["width"])
    pixels = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, device=DEVICE)
    labels = torch.randint(0, JOB["classes"], shape, device=DEVICE)
    network = torch.compile(model) if compiled else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.float16, enabled=compiled):
            loss = F.cross_entropy(network(normalise(pixels, torch.float32)), labels, ignore_index=255)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.item()

    step()
    torch.cuda.reset_peak_memory_stats()
    milliseconds = clock(step)
    return {"step": milliseconds, "memory": torch.cuda.max_memory_allocated()}


def measured(what):
    """What cannot run on this machine is left out, with the reason."""
    try:
        return what()
    except Exception as error:  # a missing compiler, too little memory
        print(f"PyTorch: {str(error).splitlines()[0]}", file=sys.stderr)
        return {}


NOTHING = {"latency": None, "throughput": None, "gpu": None, "step": None, "memory": 0}
eager = {**NOTHING, **measured(lambda: inference(torch.float32, False)), **measured(lambda: training(False))}
compiled = {**NOTHING, **measured(lambda: inference(torch.float16, True)), **measured(lambda: training(True))}
print(json.dumps({
    "version": torch.__version__, "device": torch.cuda.get_device_name(), "eager": eager, "compiled": compiled,
}))
