// Figures of `/metrics`, in the text format of Prometheus.

/** The samples: `{ name, labels, value }`. Lines that are none are left out. */
export function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match === null) continue;
    const labels = {};
    for (const [, name, value] of (match[2] ?? "").matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
    }
    samples.push({ name: match[1], labels, value: Number(match[3]) });
  }
  return samples;
}

/** The sum over the samples of a name that have these labels; null where there is none. */
export function sum(samples, name, wanted) {
  const found = samples.filter((sample) => sample.name === name
    && Object.entries(wanted).every(([label, value]) => sample.labels[label] === value));
  return found.length === 0 ? null : found.reduce((total, sample) => total + sample.value, 0);
}

/** The mean of what a histogram has counted between two readings, in its unit; null where it has counted nothing. */
export function meanBetween(before, after, name, labels) {
  const count = (sum(after, `${name}_count`, labels) ?? 0) - (sum(before, `${name}_count`, labels) ?? 0);
  const total = (sum(after, `${name}_sum`, labels) ?? 0) - (sum(before, `${name}_sum`, labels) ?? 0);
  return count > 0 ? total / count : null;
}
