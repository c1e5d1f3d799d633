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
}
