/** The actions that were chosen on one tab, until the plan is made on the other. */

let chosen: readonly string[] = [];

export function takeChosen(ids: readonly string[]): void {
  chosen = ids;
}
export const chosenActions = (): readonly string[] => chosen;
