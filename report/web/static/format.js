// How the pages write numbers: with a unit and their significant digits.

/** A duration in milliseconds, like "1.3 ms" or "2.41 s". */
export function duration(ms) {
  if (ms < .0995) return `${ms.toFixed(2)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 99_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  return `${(ms / 60_000).toFixed(1)} min`;
}

/** A time that is shown as it passes, in milliseconds, like "2.1 s". */
export function seconds(ms) {
  return ms < 9_950 ? `${(ms / 1000).toFixed(1)} s` : ms < 99_500 ? `${(ms / 1000).toFixed(0)} s` : `${(ms / 60_000).toFixed(0)} min`;
}

/** A chosen interval, like "0.5 s". */
export function interval(ms) {
  return ms < 60_000 ? `${ms / 1000} s` : `${ms / 60_000} min`;
}

/** A count, like "12,345". */
export function count(n) {
  return n.toLocaleString("en");
}

/** A number of bytes, like "1.24 MB"; 1 KB is 1000 bytes. */
export function bytes(n) {
  if (n < 1000) return `${n} B`;
  const [unit, scaled] = n < 999_500 ? ["KB", n / 1e3] : ["MB", n / 1e6];
  return `${scaled.toFixed(scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0)} ${unit}`;
}
