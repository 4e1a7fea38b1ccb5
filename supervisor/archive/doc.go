// Package archive keeps the certificates that were served last, with their
// keys, in the state directory.
//
// It owns that directory: pairs/DIGEST.pem, a chain and its key, named after its
// content, and bundles/NUMBER.json, which lists what was taken together, when
// and for whom; and held.json, what was rolled back to and stays until the files
// on disk change. It promises that what is listed is there and whole, however a
// process or the machine ends, that several processes can use it at once, that
// nobody else can read or replace what it keeps, and that it removes only what
// it made. It refuses to judge: what is taken out of it goes through the same
// reading and the same checks as any file.
//
// # Why pairs apart from bundles
//
// Of thousands of certificates one is renewed at a time. What has not changed
// is neither written again nor kept twice.
//
// # Why the order of adoption
//
// What a rollback leads to is not what was served before: then a second
// rollback would lead forward again. Each certificate has an order in which its
// pairs were taken from its own files, and a rollback goes one step back in it.
package archive
