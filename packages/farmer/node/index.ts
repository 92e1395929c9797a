/** What of FARMER needs Node: weights and datasets on disk. */
export {
  readCheckpoint,
  writeCheckpoint,
  type Checkpoint,
  type CheckpointInfo,
} from '../cli/checkpoint.ts';
export { loadSplit } from '../cli/training-data.ts';
export type { FolderOptions, Split } from '../cli/data/load-dataset.ts';
export { loadTrainedModel, type TrainedModel } from '../cli/trained-model.ts';
export { shippedWeights, weightsFile } from '../cli/weights.ts';
