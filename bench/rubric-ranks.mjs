/** Ranks from 1; equal values share the mean of their ranks. */
function ranksOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1);
}

/** Spearman's rank correlation with ties: Pearson's of the ranks. */
export function spearman(a, b) {
  const [x, y] = [ranksOf(a), ranksOf(b)];
  const mean = (a.length + 1) / 2;
  const sum = (of) => x.reduce((total, _, at) => total + of(x[at] - mean, y[at] - mean), 0);
  return sum((p, q) => p * q) / Math.sqrt(sum((p) => p * p) * sum((_, q) => q * q));
}

/** Pairs of an off-topic answer (grade 2) with an on-topic one (3, 4) that it reaches or beats. */
export function violations(rows, key) {
  const off = rows.filter((row) => row.grade === 2);
  return rows
    .filter((row) => row.grade >= 3)
    .reduce((sum, row) => sum + off.filter((other) => other[key] >= row[key]).length, 0);
}
