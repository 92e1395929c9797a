import type { FunctionAccuracy } from './probe-accuracy.ts';
import type { AdapterReport } from './probe.ts';

const MEBIBYTE = 2 ** 20;

function readableLimit(name: string, value: number): string {
  const isBytes = /(BufferSize|BindingSize)$/.test(name);
  return isBytes ? `${Math.round(value / MEBIBYTE)} MiB` : String(value);
}

function accuracyLine(entry: FunctionAccuracy): string {
  const [low, high] = entry.range.map((end) => Number(end.toPrecision(3)));
  const absolute = entry.maxAbsolute.toExponential(1);
  const relative = entry.maxRelative.toExponential(1);
  const bad =
    entry.nonFinite === 0
      ? ''
      : `; ${entry.nonFinite} results are not finite, from x = ${entry.nonFiniteAt?.toPrecision(3)}`;
  return `  ${entry.name.padEnd(5)}on [${low}, ${high}]: absolute ${absolute}, relative ${relative}${bad}`;
}

/** The report as text for a terminal, without colours. */
export function formatDoctor(report: AdapterReport): string {
  const { speed, subgroupMinSize: smallest, subgroupMaxSize: largest } = report;
  const lanes = smallest === largest ? `${smallest}` : `${smallest} to ${largest}`;
  const found = report.systemAdapters.map((name) => `'${name}'`).join(', ');
  const copyMebibytes = Math.round(speed.copyBytes / MEBIBYTE);
  const side = speed.matmulSize;
  return [
    `adapter    ${report.name}`,
    `kind       ${report.kind} (${report.driver}), chosen by ${report.chosenBy}`,
    `on system  ${found || 'no adapter'}`,
    ...report.rejected.map(({ what, why }) => `not used   ${what}: ${why}`),
    `subgroups  ${largest === 0 ? 'none' : `${lanes} lanes`}`,
    `features   ${report.features.join(', ') || 'none of those that kernels use'}`,
    'limits',
    ...Object.entries(report.limits).map(
      ([name, value]) => `  ${name.padEnd(34)}${readableLimit(name, value)}`,
    ),
    'speed',
    `  matmul ${side} × ${side}, plain kernel: ${speed.matmulGflops.toPrecision(3)} GFLOP/s, largest error ${speed.matmulError.toExponential(1)}`,
    `  copy of ${copyMebibytes} MiB: ${speed.copyGBps.toPrecision(3)} GB/s read and written`,
    'largest errors of the shader functions against float64',
    ...report.accuracy.map(accuracyLine),
    ...(report.advice === undefined ? [] : [`faster     ${report.advice}`]),
  ].join('\n');
}
