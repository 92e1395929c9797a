import type { ModelConfig } from '../src/config.ts';
import { paddedSize } from '../src/dimensions.ts';
import type { Output } from './output.ts';

/** Says so when a model pads its images, and what that means for its figures. */
export function notePadding(output: Output, model: ModelConfig): void {
  const { height, width } = model.image;
  const padded = paddedSize(model);
  if (padded.height === height && padded.width === width) return;
  output.line(
    `padding     from ${height} × ${width} to ${padded.height} × ${padded.width} for patch ${model.patch}; bits/dim is over the image's own pixels and counts the padding's bits too: an upper bound`,
  );
}
