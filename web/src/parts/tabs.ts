/** What every tab is given of the page around it. */
export interface TabProps {
  /** The model of the tab Segment, where it is another than the one in the box. */
  readonly model: File | undefined;
  /** Uses a model in the tab Segment, and opens it. */
  readonly onModel: (model: File | undefined) => void;
}
