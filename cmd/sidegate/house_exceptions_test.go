package main

// exceptions are the breaches that are meant, each with its reason. Shorter is better.
var exceptions = []exception{
	{"time is an argument", "sync/hub/call.go call.read",
		"a socket's deadline is on the machine's clock, whatever time the hub is told"},
	{"lines are short", "checker/httpapi/api_test.go TestAnswersSayWhatTheContractSays",
		"an answer stands here as it is sent, on one line"},
	{"lines are short", "checker/httpapi/api_test.go TestBadRequestsNameTheFieldAndTheRemedy",
		"a table of requests, read by column"},
	{"lines are short", "checker/period_test.go TestPeriodEndFollowsCalendarAndAnchor",
		"a table of instants, read by column"},

	{"lines are short", "checker/record_test.go TestRecordsRefuseWhatDoesNotFit", "to be broken"},
	{"lines are short", "checker/semver_test.go TestMalformedConstraintsAreRefused", "to be broken"},
	{"lines are short", "replica/disk/record.go head.cursor", "to be broken"},
	{"lines are short", "replica/disk/scan.go Store.scan", "to be broken"},
	{"lines are short", "replica/disk/scan.go Store.readCursor", "to be broken"},
	{"lines are short", "replica/disk/store_test.go TestNothingIsWrittenToADiskThatIsNearlyFull", "to be broken"},
	{"lines are short", "replica/disk/sums.go", "to be broken"},
	{"nesting is shallow", "checker/bench_test.go BenchmarkDecide", "to be flattened"},
	{"nesting is shallow", "checker/decide_test.go TestDecideDoesNotAllocate", "to be flattened"},
	{"nesting is shallow", "checker/period_test.go TestPeriodEndIsTotal", "to be flattened"},
	{"nesting is shallow", "checker/catalog/oracle_weigh_test.go oracle.combineValues", "to be flattened"},
	{"nesting is shallow", "replica/disk/store_test.go TestWhatIsCommittedIsLoaded", "to be flattened"},
	{"nesting is shallow", "replica/disk/store_test.go TestDamageIsNeverServed", "to be flattened"},
	{"exported names are documented", "checker/httpapi/api.go", "to be documented: two methods of Source"},
}
