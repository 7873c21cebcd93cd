"""Runs an ONNX model in OpenCV's dnn: opencv.py MODEL IMAGE.bin HEIGHT WIDTH LOGITS.bin. Exits 3 without cv2."""
import sys

try:
    import cv2
    import numpy as np
except ImportError:
    sys.exit(3)
model, image, height, width, out = sys.argv[1:]
net = cv2.dnn.readNetFromONNX(model)
net.setInput(np.fromfile(image, np.uint8).reshape(1, int(height), int(width), 3))
result = net.forward()
np.ascontiguousarray(result, np.float32).tofile(out)
print(cv2.__version__, 'x'.join(map(str, result.shape)))
