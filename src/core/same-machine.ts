/** Whether two lives of one name were on the same machine: only then is the end of the one certain because the other has begun (S1, S2). */
export interface MachineMarks {
  /** /etc/machine-id: copied along with a disk that is cloned. */
  readonly machineId: string;
  /** The UUID of the hardware as the firmware tells it; null or absent: it does not, or an older version did not ask. */
  readonly systemGuid?: string | null | undefined;
}

export function isSameMachine(one: MachineMarks, other: MachineMarks): boolean {
  if (one.machineId !== other.machineId) return false;
  const [mine, theirs] = [one.systemGuid ?? null, other.systemGuid ?? null];
  return mine === null || theirs === null || mine.toLowerCase() === theirs.toLowerCase();
}
