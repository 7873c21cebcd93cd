import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type StageName = 'decode' | 'queue' | 'infer' | 'encode' | 'total';

/** What `/metrics` tells, in Prometheus' text format. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly requests: Counter<'route' | 'status'>;
  private readonly seconds: Histogram<'stage'>;
  private readonly frames: Counter<'model' | 'version'>;
  private readonly latency: Histogram<'stream'>;

  /** @param gauges read when somebody asks, by name: what they count and how to count it. */
  constructor(gauges: Readonly<Record<string, readonly [help: string, read: () => number]>>) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.requests = new Counter({
      name: 'vnet_requests_total',
      help: 'Answered requests by route and HTTP status',
      labelNames: ['route', 'status'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'vnet_stage_seconds',
      help: 'Seconds by stage: decode, queue, infer, encode, and total from first to last byte',
      labelNames: ['stage'],
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
      registers,
    });
    this.frames = new Counter({
      name: 'vnet_pictures_total',
      help: 'Segmented pictures, frames of videos and cameras among them',
      labelNames: ['model', 'version'],
      registers,
    });
    this.latency = new Histogram({
      name: 'vnet_live_seconds',
      help: 'Seconds from a live frame’s arrival to its overlay; the count is that of the frames shown',
      labelNames: ['stream'],
      buckets: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
      registers,
    });
    for (const [name, [help, read]] of Object.entries(gauges)) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    }
  }

  stage(stage: StageName, ms: number): void {
    this.seconds.observe({ stage }, ms / 1000);
  }
  /** Counts the time of a stage that succeeds. */
  async timed<T>(stage: StageName, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.stage(stage, performance.now() - start);
    return result;
  }
  frame({ name, version }: { readonly name: string; readonly version: string }): void {
    this.frames.inc({ model: name, version });
  }
  /** A live frame was shown. */
  live(stream: string, ms: number): void {
    this.latency.observe({ stream }, ms / 1000);
  }
  /** @param route as declared, not as asked for: what clients ask for has no end. */
  request(route: string, status: number, ms: number): void {
    this.requests.inc({ route, status });
    this.stage('total', ms);
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
  get contentType(): string {
    return this.registry.contentType;
  }
}
