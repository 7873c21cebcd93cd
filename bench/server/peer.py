"""A server as one writes it in Python: FastAPI and onnxruntime on an exported model. peer.py MODEL.onnx THREADS"""
import io
import socket
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response
from PIL import Image
from starlette.concurrency import run_in_threadpool

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
source = session.get_inputs()[0]
app = FastAPI()


def segment(body: bytes) -> bytes:
    image = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
    if source.shape[-1] == 3:
        tensor = image[None]
    else:
        tensor = image.transpose(2, 0, 1)[None]
    tensor = tensor if source.type == "tensor(uint8)" else tensor.astype(np.float32)
    result = session.run(None, {source.name: np.ascontiguousarray(tensor)})[0]
    labels = result if result.ndim <= 3 else result.argmax(1 if result.shape[1] < result.shape[-1] else -1)
    out = io.BytesIO()
    Image.fromarray(labels.reshape(image.shape[:2]).astype(np.uint8)).save(out, "PNG", compress_level=6)
    return out.getvalue()


@app.post("/v1/segment")
async def answer(request: Request) -> Response:
    return Response(await run_in_threadpool(segment, await request.body()), media_type="image/png")


if __name__ == "__main__":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.run(app, fd=listener.fileno(), log_level="warning")
