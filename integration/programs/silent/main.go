package main

import "time"

func main() {
	for { // select {} would be found to be a deadlock, and end the program
		time.Sleep(time.Hour)
	}
}
