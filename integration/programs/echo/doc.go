// Echo is the worker program of the integration tests. It answers a POST with
// its body, and behaves as the files of a folder say:
//
//	boot    exit N, panic, hang, or sleep DURATION before it calls Serve
//	health  the status of /health, or "block"
//	marker  read at boot, answered to GET /: it tells generations apart
package main
