"""Segments raw pixels with the client of NVIDIA's Triton: triton.py HOST:PORT HEIGHT WIDTH < pixels > labels."""
import sys

import numpy as np
import tritonclient.http as triton

address, height, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
image = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(1, height, width, 3)
with triton.InferenceServerClient(address) as client:
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("camvid")
    metadata = client.get_model_metadata("camvid")
    assert metadata["inputs"][0]["shape"] == [-1, -1, -1, 3], metadata
    assert client.get_model_repository_index()[0]["name"] == "camvid"
    answers = []
    for binary in (True, False):
        tensor = triton.InferInput("images", image.shape, "UINT8")
        tensor.set_data_from_numpy(image, binary_data=binary)
        output = triton.InferRequestedOutput("labels", binary_data=binary)
        answers.append(client.infer("camvid", [tensor], outputs=[output]).as_numpy("labels"))
    assert (answers[0] == answers[1]).all()
    try:
        client.infer("none", [tensor])
        raise AssertionError("a model that is not there")
    except triton.InferenceServerException as error:
        assert "no model 'none'" in str(error), error
sys.stdout.buffer.write(answers[0].astype(np.uint8).tobytes())
