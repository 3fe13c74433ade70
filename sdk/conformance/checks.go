package conformance

// Checks are the promises of the contract that can be seen without core.
func Checks() []Check {
	return []Check{
		{
			Says: "Describe gives the same answer each time, in each process",
			Contract: "Describe touches nothing and gives the same answer each time; " +
				"each setting has a name that is free, and a line of help",
			Basic: true, hold: describe,
		},
		{
			Says: "an empty policy can be planned, and one with rules of every sort",
			Contract: "Plan answers within its deadline, with whole steps and without a field or value " +
				"that core does not know; an error is for what keeps a run from beginning",
			Basic: true, hold: planned,
		},
		{
			Says:     "one request has one answer, in each process",
			Contract: "nono plan shows what nono run does, so only the values of secrets may differ",
			hold:     sameAnswer,
		},
		{
			Says: "coverage answers for each rule of its own kind, once",
			Contract: "for each rule of the layer's own kind, coverage says whether it is enforced, " +
				"and if not, why; a rule that is left out is not held, and the run refuses if the user " +
				"wrote it",
			hold: coverage,
		},
		{
			Says: "a filesystem layer answers for a host where nothing can be mounted",
			Contract: "in tier B the places only ever add, and an answer is Landlock's rules alone, with " +
				"no right that no place gives; a layer that cannot do without mounts is refused there",
			hold: walled,
		},
		{
			Says:     "diagnostics name settings and rules that exist",
			Contract: "core finds the line of a diagnostic by the name of the setting, or by the rule",
			hold:     diagnostics,
		},
		{
			Says: "no secret stands in clear in its answer",
			Contract: "secrets stand beside the fragment, by name, and never in it: a plan is printed " +
				"and stored",
			hold: secrets,
		},
		{
			Says:     "Plan only reads, and asks nobody in a dry run",
			Contract: "what the layer does to the system, it does in Start",
			hold:     readsOnly,
		},
		{
			Says: "a layer that says it is pure looks at nothing but its request",
			Contract: "a filesystem layer, and any that describes itself as pure, looks at no file, " +
				"no clock and no network in Plan",
			hold: pure,
		},
		{
			Says:     "an ephemeral layer has neither Start nor Finish",
			Contract: "an ephemeral layer is gone once the plan is made",
			hold:     ephemeral,
		},
		{
			Says: "beats are answered, also while Plan and Start run",
			Contract: "each beat of the session is answered with one of the same number; a resident " +
				"layer that is silent for thirty seconds is lost, and the agent ended",
			hold: beats,
		},
		{
			Says: "each listener is served once Start has returned",
			Contract: "the agent is let go as soon as each Start has returned, and a bracket layer's " +
				"process is gone then",
			hold: served,
		},
		{
			Says: "Finish works in a fresh process, twice, with the state that Start returned",
			Contract: "what Finish needs, Start returned as state, which holds no secret: it is kept " +
				"on disk",
			hold: finishStarted,
		},
		{
			Says: "Finish works after a Start that was cut off",
			Contract: "Finish works in a fresh process, twice, after a Start that failed or died " +
				"half-way; there is no state then",
			hold: finishCutOff,
		},
		{
			Says: "Finish works for a session whose core died",
			Contract: "after core's death there are neither secrets nor the user's variables, and " +
				"perhaps no state; Finish releases what there is",
			hold: finishNeverStarted,
		},
		{
			Says: "Forget drops what is kept for a session, twice, and of one that never was",
			Contract: "a layer that keeps something for sessions drops it when they are removed; one " +
				"of which it knows nothing is no error",
			hold: forgets,
		},
	}
}
