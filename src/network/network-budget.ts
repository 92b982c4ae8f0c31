/** One ceiling for all bytes that wait in memory, whoever holds them: an attacker may open many flows and finish none. */

export interface Budget {
  /** False when there is no room; nothing is taken then. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  readonly used: number;
  readonly peak: number;
  /** How often there was no room. */
  readonly refused: number;
}

export function createBudget(bytesMax: number): Budget {
  const budget = {
    used: 0,
    peak: 0,
    refused: 0,
    take(bytes: number): boolean {
      if (budget.used + bytes > bytesMax) {
        budget.refused++;
        return false;
      }
      budget.used += bytes;
      budget.peak = Math.max(budget.peak, budget.used);
      return true;
    },
    give(bytes: number): void {
      budget.used -= bytes;
    },
  };
  return budget;
}
