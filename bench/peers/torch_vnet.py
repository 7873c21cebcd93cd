"""VNet in PyTorch, as a peer to race; protocol.ts has the commands. Argument: channels-last or NCHW."""
import json
import resource
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406])
STD = torch.tensor([0.229, 0.224, 0.225])


class NormAct(nn.Module):
    def __init__(self, channels, act):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.PReLU(channels) if act else None

    def forward(self, x):
        x = self.norm(x)
        return self.act(x) if self.act else x


class Cpp(nn.Module):
    def __init__(self, cin, cout, pyramid):
        super().__init__()
        self.pointwise = nn.Conv2d(cin, cout - cin, 1, stride=2, bias=False)
        self.pyramid = pyramid
        self.norm = NormAct(cout, True)

    def forward(self, x):
        pooled = sum(F.avg_pool2d(x, k, 2, k // 2) for k in self.pyramid)
        return self.norm(torch.cat([self.pointwise(x), pooled], 1))


class Half(nn.Module):
    def __init__(self, c, d):
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, (3, 1), padding=(d, 0), dilation=(d, 1), bias=False)
        self.act = nn.PReLU(c)
        self.conv2 = nn.Conv2d(c, c, (1, 3), padding=(0, d), dilation=(1, d), bias=False)
        self.norm = NormAct(c, False)

    def forward(self, x):
        return self.norm(self.conv2(self.act(self.conv1(x))))


class V(nn.Module):
    def __init__(self, c, dilations):
        super().__init__()
        self.F, self.G = Half(c // 2, dilations[0]), Half(c // 2, dilations[1])

    def forward(self, x):
        x1, x2 = x.chunk(2, 1)
        y1 = x1 + self.F(x2)
        return torch.cat([y1, x2 + self.G(y1)], 1)


class VNet(nn.Module):
    def __init__(self, c):
        super().__init__()
        s, (w2, w3) = c["stem"], c["widths"]
        self.stem = nn.ModuleDict()
        for i, (cin, stride) in enumerate([(3, 2), (s, 1), (s, 1)], 1):
            self.stem[f"conv{i}"] = nn.Conv2d(cin, s, 3, stride, 1, bias=False)
            self.stem[f"norm{i}"] = NormAct(s, True)
        d2, d3 = c["dilations2"], c["dilations3"]
        self.stage2 = nn.ModuleDict({"cpp": Cpp(s, w2, c["pyramid"])})
        self.stage3 = nn.ModuleDict({"cpp": Cpp(w2, w3, c["pyramid"])})
        for i in range(c["alpha"]):
            self.stage2[f"v{i + 1}"] = V(w2, d2[i % len(d2)])
        for i in range(c["beta"]):
            self.stage3[f"v{i + 1}"] = V(w3, d3[i % len(d3)])
        self.head = nn.Conv2d(w3, c["classes"], 1)

    def forward(self, x):
        size = x.shape[2:]
        for part in [*self.stem.values(), *self.stage2.values(), *self.stage3.values(), self.head]:
            x = part(x)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def read_safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[slice(*t["data_offsets"])], np.float32).reshape(t["shape"])
        for name, t in header.items()
        if t["dtype"] == "F32"
    }


def assign(model, tensors):
    """Names here: `stem.norm1.gamma`; PyTorch's: `stem.norm1.norm.weight`. Weights: HWIO to OIHW."""
    state = model.state_dict()
    for name in state:
        if name.endswith("num_batches_tracked"):
            continue
        parts = name.split(".")
        owner, leaf = parts[:-1], parts[-1]
        if len(owner) > 1 and owner[-2].startswith("norm") and owner[-1] in ("norm", "act"):
            leaf = {"weight": "gamma" if owner[-1] == "norm" else "slope", "bias": "beta",
                    "running_mean": "mean", "running_var": "variance"}[leaf]
            owner = owner[:-1]
        elif owner[-1] == "act":
            leaf = "slope"
        source = torch.from_numpy(tensors[".".join([*owner, leaf])].copy())
        state[name].copy_(source.permute(3, 2, 0, 1) if leaf == "weight" else source.flatten())


def main():
    layout = torch.channels_last if sys.argv[1] == "channels-last" else torch.contiguous_format
    model = optimizer = None
    mode = shape = None
    for line in sys.stdin:
        command = json.loads(line)
        answer = {}
        before = time.process_time()
        if command["cmd"] == "load":
            torch.set_num_threads(command["threads"])
            mode, shape = command["mode"], command["shape"]
            model = VNet(command["config"])
            assign(model, read_safetensors(command["weights"]))
            model.train(mode == "train").to(memory_format=layout)
            optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, weight_decay=1e-4)
            answer["version"] = torch.__version__
        else:
            n, h, w = shape
            raw = torch.from_numpy(np.fromfile(command["images"], np.uint8).reshape(n, h, w, 3))
            target = torch.from_numpy(np.fromfile(command["labels"], np.uint8).reshape(n, h, w)).long()
            start = time.perf_counter()
            x = ((raw.float() / 255 - MEAN) / STD).permute(0, 3, 1, 2).contiguous(memory_format=layout)
            if mode == "train":
                optimizer.zero_grad(set_to_none=True)
                loss = F.cross_entropy(model(x), target, ignore_index=255)
                loss.backward()
                optimizer.step()
                answer["loss"] = loss.item()
                answer["ms"] = 1e3 * (time.perf_counter() - start)
            else:
                with torch.inference_mode():
                    labels = model(x).argmax(1).to(torch.uint8)
                answer["ms"] = 1e3 * (time.perf_counter() - start)
                if "predicted" in command:
                    labels.numpy().tofile(command["predicted"])
        answer["cpuMs"] = 1e3 * (time.process_time() - before)
        answer["peakRssBytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
