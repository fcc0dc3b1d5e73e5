/** Whether the coordinators' own answers fit together (the check is symmetric: a primary that looks fine proves nothing). */
export interface ElectionAnswer {
  readonly node: string;
  /** Null: it did not answer. */
  readonly status: {
    readonly status: number;
    readonly primary: string | null;
    readonly epoch: number;
    readonly message: string;
  } | null;
  /** Why it did not answer. */
  readonly because: string;
}

/** Every disagreement in a sentence; empty: all fit together. */
export function disagreements(answers: readonly ElectionAnswer[]): string[] {
  const found: string[] = [];
  const given = answers.flatMap(({ node, status }) => (status === null ? [] : [{ node, ...status }]));
  const primaries = given.filter((answer) => answer.status === 200);
  if (primaries.length > 1)
    found.push(
      `${primaries.map(({ node, epoch }) => `${node} (epoch ${epoch})`).join(' and ')} both say that they are primary`,
    );
  if (primaries.length === 0) found.push('nobody says that it is primary');
  const [primary] = primaries;
  for (const { node, status, because } of answers) {
    if (status === null) found.push(`${node} does not answer: ${because}`);
    else if (status.status === 202) found.push(`${node} is in transition: ${status.message}`);
    else if (status.status === 503) found.push(`${node}: ${status.message}`);
    else if (primary !== undefined && status.status === 303 && status.primary !== primary.node)
      found.push(`${node} holds ${status.primary ?? 'nobody'} for primary, but ${primary.node} says that it is`);
    else if (primary !== undefined && status.epoch !== primary.epoch)
      found.push(`${node} knows epoch ${status.epoch}, but ${primary.node} is primary with epoch ${primary.epoch}`);
  }
  return found;
}
