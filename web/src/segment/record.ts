/** Records what is drawn, as a WebM or MP4 video, whichever the browser writes. */
export class Recording {
  private readonly parts: Blob[] = [];
  private readonly canvas = document.createElement('canvas');
  private recorder: MediaRecorder | undefined;

  static get possible(): boolean {
    return typeof MediaRecorder !== 'undefined' && 'captureStream' in HTMLCanvasElement.prototype;
  }

  /** Adds a picture; the first one gives the video its size. */
  add(picture: HTMLCanvasElement): void {
    if (!this.recorder) {
      this.canvas.width = picture.width;
      this.canvas.height = picture.height;
      this.recorder = new MediaRecorder(this.canvas.captureStream(), { videoBitsPerSecond: 8e6 });
      this.recorder.addEventListener('dataavailable', ({ data }) => this.parts.push(data));
      this.recorder.start(1000);
    }
    this.canvas.getContext('2d')!.drawImage(picture, 0, 0, this.canvas.width, this.canvas.height);
  }

  /** @returns the video with the end of its file name; undefined where nothing was added. */
  async finish(): Promise<{ video: Blob; ending: string } | undefined> {
    const { recorder } = this;
    if (!recorder) return undefined;
    await new Promise((resolve) => {
      recorder.addEventListener('stop', resolve, { once: true });
      recorder.stop();
    });
    const type = recorder.mimeType.split(';', 1)[0];
    return { video: new Blob(this.parts, { type }), ending: type === 'video/mp4' ? 'mp4' : 'webm' };
  }
}
