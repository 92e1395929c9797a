"""Checks our FARMER against PyTorch's, on a batch that batch.ts wrote, and times PyTorch's training step and kernels.
Prints Markdown. PyTorch 1.13 does, which Debian has (python3-torch; with libopenblas0-pthread for a fast matmul).

    npx tsx benchmarks/pytorch/batch.ts tiny /tmp/batch.safetensors
    python3 benchmarks/pytorch/main.py /tmp/batch.safetensors --device cpu --threads 2
"""

import argparse
import datetime
import itertools
import json
import statistics
import struct
import time

import torch
from farmer import Block, Farmer, causal_attention


def read_safetensors(path: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    types = {"F32": torch.float32, "I32": torch.int32}
    with open(path, "rb") as file:
        content = bytearray(file.read())
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        own = content[8 + length + begin : 8 + length + end]
        tensors[name] = torch.frombuffer(own, dtype=types[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def processor() -> str:
    with open("/proc/cpuinfo") as file:
        return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))


def group(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def as_ours(model: Farmer, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Between our layout of a Linear's weight, [in, out], and PyTorch's; either way round."""
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    return {name: value.T if name in linear else value for name, value in values.items()}


def differences(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> dict[str, float]:
    """The largest of each tensor, relative to its largest value; or to a thousandth of the largest of all, since some
    gradients are 0 but for rounding: softmax does not see the biases of keys."""
    if found.keys() != expected.keys():
        raise SystemExit(f"one side alone has: {sorted(found.keys() ^ expected.keys())}")
    size = {name: value.abs().max().item() for name, value in expected.items()}
    floor = 1e-3 * max(size.values())
    return {name: (found[name] - expected[name]).abs().max().item() / max(size[name], floor) for name in expected}


def check(model: Farmer, batch: dict[str, torch.Tensor]) -> None:
    """Likelihood parts and the gradient of every parameter against PyTorch's in float64. Exits if one differs by 1e-3."""
    model = model.double()
    tokens, labels = batch["tokens"].double(), batch["labels"].long()
    parts = differences(model.log_likelihood(tokens, labels), group(batch, "parts."))
    model.loss(tokens, labels).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    each = parts | differences(as_ours(model, gradients), group(batch, "gradients."))
    worst = max(each, key=lambda name: each[name])
    print(f"Our {len(parts)} parts of the log-likelihood and {len(each) - len(parts)} gradients differ from PyTorch's in float64")
    print(f"by at most {each[worst]:.1e} of their size ({worst}).\n")
    if not each[worst] < 1e-3:
        raise SystemExit("that is too much")
    model.zero_grad(set_to_none=True)
    model.float()


def median_ms(run, device: str, seconds: float) -> float:
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        run()
    wait()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        run()
        wait()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def training_steps(model: Farmer, tokens: torch.Tensor, labels: torch.Tensor):
    """Name, work, None: as it comes, and on a GPU with what PyTorch 2 adds."""
    ways = [("eager", False, {})]
    if tokens.is_cuda:
        ways += [("eager, fused AdamW", False, {"fused": True}), ("compiled, fused AdamW", True, {"fused": True})]
    for way, compiled, options in ways:
        loss = torch.compile(model.loss) if compiled else model.loss
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=1e-4, **options)

        def step() -> None:
            optimiser.zero_grad(set_to_none=True)
            loss(tokens, labels).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
            optimiser.step()

        yield f"training step, batch {len(tokens)}, {way}", step, None


def kernels(device: str):
    """Name, work, and its floating-point operations."""
    large = 4096 if device == "cuda" else 512
    normal = lambda *shape, dtype=torch.float32: torch.randn(*shape, device=device, dtype=dtype)
    a, b = normal(large, large), normal(large, large)
    yield f"matmul {large}", lambda: a @ b, 2 * large**3
    if device == "cuda":
        half_a, half_b = a.half(), b.half()
        yield f"matmul {large}, f16", lambda: half_a @ half_b, 2 * large**3
    query, key, value = (normal(64, 4, 49, 16) for _ in range(3))
    yield "attention 64,49,49,64,4", lambda: causal_attention(query, key, value), None
    x = normal(1024, 1024)
    yield "softmax 1024,1024", lambda: x.softmax(-1), None
    block = Block(128, 4).to(device)
    tokens = normal(16, 64, 128).requires_grad_()

    def both() -> None:
        block.zero_grad(set_to_none=True)
        block(tokens).sum().backward()

    yield "Transformer block 16,64,128,4, forward and backward", both, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("batch", help="a file of batch.ts")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3, help="for each measurement")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    on_gpu = options.device == "cuda"
    where = torch.cuda.get_device_name() if on_gpu else f"{processor()}, {torch.get_num_threads()} threads"
    batch, metadata = read_safetensors(options.batch)
    print(f"# PyTorch {torch.__version__}, {where}\n\nPreset {metadata['preset']}, {datetime.date.today()}.\n")
    config = json.loads(metadata["model"])
    _, count, channels = batch["tokens"].shape
    model = Farmer(config, count, channels)
    parameters = as_ours(model, group(batch, "parameters."))
    model.load_state_dict(parameters)
    check(model, batch)

    device = options.device
    model.to(device)
    tokens, labels = batch["tokens"].to(device), batch["labels"].long().to(device)
    print("| work | median ms | GFLOP/s |\n| --- | --- | --- |")
    for work, run, flops in itertools.chain(training_steps(model, tokens, labels), kernels(device)):
        ms = median_ms(run, device, options.seconds)
        print(f"| {work} | {ms:.3g} | {f'{flops / ms / 1e6:.3g}' if flops else ''} |", flush=True)


main()
