/** Limits of the detection room, each with its reason; reaching one refuses the rule or is counted, never silent. */

export const DETECTION_LIMITS = {
  /** One rule file. The largest public rule has 60 KB. */
  ruleFileBytesMax: 512 * 1024,
  /** Documents in one file: a base rule with its correlations needs a handful. */
  ruleDocumentsMax: 64,
  /** Rules loaded at once; the complete public set has 3,800. */
  rulesMax: 20_000,
  /** Depth of nested lists and maps in a detection. */
  ruleDepthMax: 16,
  /** Values of one rule after modifiers were expanded. */
  ruleValuesMax: 20_000,
  /** A condition's length, brackets and words: an exponential one would need more. */
  conditionCharsMax: 4096,
  conditionDepthMax: 32,
  /** Dashes of one `windash` value that are varied together: five variants each. */
  windashCombinedMax: 3,
  /** A regular expression's text, and its states once counted repetitions are written out. */
  regexCharsMax: 4096,
  regexStatesMax: 6000,
  /** States of the lazily built automaton of one regular expression before it starts again from empty. */
  regexDfaStatesMax: 600,
  /** Combinations of log source and event id that get an own plan; events beyond use a shared one. */
  plansMax: 2048,
  /** Automaton states of one field of one plan; literals beyond are checked without a prefilter. */
  automatonStatesMax: 200_000,
  /** Longest timespan of a correlation: 31 days. */
  timespanMsMax: 31 * 86_400_000,
  /** How late an event may come and still be counted at its own time. */
  latenessMs: 5 * 60_000,
  /** Groups remembered of one correlation; the ones untouched for longest are evicted and counted. */
  groupsMax: 1_000_000,
  /** Memory of all correlations together: a million groups with a few events each fit. */
  stateBytesMax: 512 * 1024 * 1024,
  /** Distinct values that are counted exactly; higher thresholds are counted by a sample with an error of 2.2 %. */
  distinctExactMax: 2048,
  /** Threshold of a value_count. */
  distinctMax: 10_000_000,
  /** Times that the same silence is said, once a timespan, before its group is given up. */
  silenceRepeatsMax: 7,
  /** Events or values remembered of one group. */
  groupEntriesMax: 4096,
  /** Events remembered of one rule that follows in chains: five minutes of 218 a second, one minute of 1,000. */
  followEventsMax: 65_536,
  /** Names among them; older ones are forgotten when more come. */
  followNamesMax: 65_536,
  /** Entities remembered of one group for the alert's sentence. */
  groupEntitiesMax: 24,
  /** Groups looked at in one tick for what is over. */
  sweepGroupsPerTick: 2000,
  /** Correlations of correlations. */
  chainDepthMax: 8,
  /** Faults of one rule while matching before it is set aside. */
  ruleFaultsMax: 1,
} as const;
