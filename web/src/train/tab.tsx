import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { useDrop } from '../parts/drop.ts';
import { Problem } from '../parts/problem.tsx';
import { save } from '../parts/save.ts';
import { sentence } from '../parts/sentence.ts';
import type { TabProps } from '../parts/tabs.ts';
import { text } from '../text.ts';
import { Classes } from './classes.tsx';
import { withFiles } from './masks.ts';
import { Painter } from './painter.tsx';
import { Pictures } from './pictures.tsx';
import { Progress } from './progress.tsx';
import type { OwnClass, OwnPicture, Project } from './project.ts';
import { colourOf, empty, ProjectStore, unpainted } from './project.ts';
import { Run } from './run.tsx';
import { split } from './settings.ts';
import { startFrom } from './start.ts';
import { useTraining } from './training.ts';

const words = text.train;
/** Longest side that pictures are kept at. */
const side = 640;

/** Own pictures, painted or with masks, to a model, in this tab. */
export function TrainTab({ onModel }: TabProps) {
  const [project, setProject] = useState<Project>(empty);
  const [store, setStore] = useState<ProjectStore | undefined>(undefined);
  const [chosen, setChosen] = useState<string | undefined>(undefined);
  const [painting, setPainting] = useState(0);
  /** Counts strokes: masks change in place. */
  const [version, setVersion] = useState(0);
  const [busy, setBusy] = useState<string | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const complain = useCallback((error: unknown) => setProblem(sentence(error)), []);
  const training = useTraining(complain);
  const { classes, pictures } = project;
  const picture = pictures.find(({ id }) => id === chosen) ?? pictures[0];

  useEffect(() => {
    setBusy(words.opening);
    ProjectStore.open()
      .then(async (opened) => {
        setProject(await opened.load());
        setStore(opened);
        if (!opened.stays) setProblem(text.problems.keepsNothing);
      })
      .catch(complain)
      .finally(() => setBusy(undefined));
  }, []);

  // One write after the other, so that the last one stays.
  const writes = useRef(Promise.resolve());
  const keep = (write: (store: ProjectStore) => Promise<void>) => {
    if (!store) return;
    writes.current = writes.current.then(() => write(store)).catch(complain);
  };
  const change = (next: Project) => {
    setProject(next);
    keep((to) => to.saveList(next));
  };
  const painted = (of: OwnPicture) => {
    setVersion((before) => before + 1);
    keep((to) => to.saveMask(of));
  };
  const add = async (files: readonly File[]) => {
    setProblem(undefined);
    setBusy(words.reading);
    try {
      const { project: next, added, problems } = await withFiles(project, files, side);
      const first = next.classes.length === 0 ? [0, 1].map(defaultClass) : next.classes;
      change({ ...next, classes: added.length > 0 ? first : next.classes });
      if (added[0]) {
        setChosen(added[0].id);
        store?.keep();
      }
      for (const each of added) {
        keep((to) => to.savePicture(each));
        keep((to) => to.saveMask(each));
      }
      setProblem(
        added.length === 0 ? (problems[0] ?? text.problems.noPictures) : problems.join(' ') || undefined,
      );
    } catch (error) {
      complain(error);
    }
    setBusy(undefined);
  };
  const remove = (id: string) => {
    change({ classes, pictures: pictures.filter((each) => each.id !== id) });
    keep((to) => to.remove(id));
  };
  const removeClass = (gone: number) => {
    for (const each of pictures) {
      for (const [i, id] of each.mask.entries()) {
        if (id === gone) each.mask[i] = unpainted;
        else if (id > gone && id !== unpainted) each.mask[i] = id - 1;
      }
      painted(each);
    }
    change({ pictures, classes: classes.filter((_, id) => id !== gone) });
    setPainting((id) => (id >= gone && id > 0 ? id - 1 : id));
  };
  const predict = async () => {
    if (!picture) return;
    setProblem(undefined);
    setBusy(words.predicting);
    try {
      const own = await training.model();
      const touched = pictures.some(({ mask }) => mask.some((id) => id !== unpainted));
      // Nothing is painted yet: the classes may become those that the model sees.
      const known = touched || own ? classes : [];
      const after = await startFrom(picture, known, own);
      if (after !== classes) change({ pictures, classes: after });
      painted(picture);
    } catch (error) {
      complain(error);
    }
    setBusy(undefined);
  };
  const withModel = async (use: (model: File) => void) => {
    try {
      const model = await training.model();
      if (model) use(model);
    } catch (error) {
      complain(error);
    }
  };
  const { over, handlers } = useDrop(add);
  const parts = split(pictures);
  const total = training.latest?.steps ?? training.loss.at(-1)?.[0] ?? 1;

  return (
    <section aria-label={text.tabs.train} {...handlers}>
      <Problem message={problem} onClose={() => setProblem(undefined)} />
      <Pictures
        {...{ pictures, classes, version, over }}
        chosen={picture?.id}
        disabled={training.running || !store}
        says={busy}
        onAdd={add}
        onChoose={setChosen}
        onRemove={remove}
      />
      {picture && (
        <div class="work">
          <div class="card">
            <Painter
              {...{ picture, classes }}
              chosen={painting}
              disabled={training.running}
              onChoose={setPainting}
              onPainted={() => painted(picture)}
              onPredict={predict}
            />
          </div>
          <aside class="side">
            <Classes
              classes={classes}
              chosen={painting}
              disabled={training.running}
              onChoose={setPainting}
              onChange={(next) => change({ pictures, classes: next })}
              onRemove={removeClass}
            />
            <Run
              {...{ training, classes, pictures, parts }}
              onDownload={() => withModel((model) => save('vnet-own.safetensors', model))}
              onUse={() => withModel(onModel)}
            />
          </aside>
        </div>
      )}
      <Progress
        {...{ training, classes }}
        steps={total}
        pictures={parts.validation}
        heldOut={parts.heldOut}
      />
    </section>
  );
}

const defaultClass = (place: number): OwnClass => ({
  name: [words.firstClass, words.secondClass][place],
  colour: colourOf(place),
});
