"""An RTSP server that gives H.264 on, as it comes by RTP: rtsp.py RTSP_PORT RTP_PORT. Needs gir1.2-gst-rtsp-server-1.0."""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
caps = "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96"
factory.set_launch(
    f'( udpsrc address=127.0.0.1 port={sys.argv[2]} buffer-size=4000000 caps="{caps}" ! rtph264depay ! h264parse '
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
factory.set_latency(0)
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
