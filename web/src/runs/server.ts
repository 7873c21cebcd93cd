import * as v from 'valibot';
import { text } from '../text.ts';

const nullable = v.nullable(v.number());
const summaryShape = {
  name: v.string(),
  running: v.boolean(),
  updated: v.number(),
  epoch: v.number(),
  epochs: v.number(),
  step: v.number(),
  loss: nullable,
  miou: nullable,
  problem: v.optional(v.string()),
};
const listSchema = v.object({ runs: v.array(v.object(summaryShape)) });
const detailsSchema = v.object({
  ...summaryShape,
  settings: v.array(v.object({ name: v.string(), value: v.string() })),
  steps: v.array(
    v.object({
      step: v.number(),
      loss: v.number(),
      learningRate: v.number(),
      imagesPerSecond: v.number(),
      rssBytes: v.optional(v.number()),
    }),
  ),
  validations: v.array(v.object({ step: v.number(), epoch: v.number(), miou: nullable })),
  pictures: v.array(
    v.object({ picture: v.string(), epochs: v.array(v.object({ epoch: v.number(), file: v.string() })) }),
  ),
  hasModel: v.boolean(),
});
export type RunSummary = v.InferOutput<typeof listSchema>['runs'][number];
export type RunDetails = v.InferOutput<typeof detailsSchema>;

/** What a server answers that has no runs, such as one of static files. */
export class NoRuns extends Error {}
/** The server wants its token. */
export class TokenWanted extends Error {}

/** The runs of `vnet serve --runs`, beside this page. */
export class RunsServer {
  constructor(private readonly token: string) {}

  async list(): Promise<readonly RunSummary[]> {
    return (await this.json('v1/runs', listSchema)).runs;
  }

  open(name: string): Promise<RunDetails> {
    return this.json(`v1/runs/${encodeURIComponent(name)}`, detailsSchema);
  }

  picture(name: string, file: string): Promise<Blob> {
    return this.blob(`v1/runs/${encodeURIComponent(name)}/pictures/${encodeURIComponent(file)}`);
  }

  async model(name: string): Promise<File> {
    const bytes = await this.blob(`v1/runs/${encodeURIComponent(name)}/model`);
    return new File([bytes], `${name}.safetensors`);
  }

  private async json<T>(path: string, schema: v.GenericSchema<unknown, T>): Promise<T> {
    const response = await this.ask(path);
    if (!response.headers.get('content-type')?.includes('json')) throw new NoRuns(text.runs.none);
    const body: unknown = await response.json();
    if (!response.ok) {
      const { error } = v.parse(v.object({ error: v.string() }), body);
      throw response.status === 404 && path === 'v1/runs' ? new NoRuns(error) : new Error(error);
    }
    return v.parse(schema, body);
  }

  private async blob(path: string): Promise<Blob> {
    const response = await this.ask(path);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.blob();
  }

  private async ask(path: string): Promise<Response> {
    const headers: Record<string, string> =
      this.token === '' ? {} : { authorization: `Bearer ${this.token}` };
    const response = await fetch(new URL(path, document.baseURI), { headers }).catch(() => {
      throw new Error(text.runs.gone);
    });
    if (response.status === 401) throw new TokenWanted(text.runs.wantsToken);
    return response;
  }
}
