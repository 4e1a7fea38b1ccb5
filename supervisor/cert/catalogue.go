package cert

// table is every check, in the order in which findings are reported: the first
// that refuses names the outcome, so causes stand before their consequences.
var table = []check{
	{name: "file.symlink_loop", severity: refuse, fixed: true, look: fileSymlinkLoop, reason: "links that lead in a circle lead to no file"},
	{name: "file.missing", severity: refuse, fixed: true, look: fileMissing, reason: "a file that is not there cannot be served"},
	{name: "file.unreadable", severity: refuse, fixed: true, look: fileUnreadable, reason: "the master must be able to read both files"},
	{name: "file.not_regular", severity: refuse, fixed: true, look: fileNotRegular, reason: "reading a pipe or a device could block for ever"},
	{name: "file.too_large", severity: refuse, fixed: true, look: fileTooLarge, reason: "no certificate needs so much, and memory is finite"},

	{name: "pem.empty", severity: refuse, fixed: true, look: pemEmpty, reason: "an empty file holds neither certificate nor key"},
	{name: "pem.swapped", severity: refuse, fixed: true, look: pemSwapped, reason: "certificate and key file stand in each other's place"},
	{name: "pem.no_certificate", severity: refuse, fixed: true, look: pemNoCertificate, reason: "without a certificate there is nothing to serve"},
	{name: "pem.no_key", severity: refuse, fixed: true, look: pemNoKey, reason: "without a private key no handshake succeeds"},
	{name: "pem.undecoded_block", severity: refuse, fixed: true, look: pemUndecodedBlock, reason: "readers drop a broken block silently, and the chain is incomplete"},

	{name: "key.not_private", severity: refuse, fixed: true, look: keyNotPrivate, reason: "a public key cannot sign"},
	{name: "key.encrypted", severity: refuse, fixed: true, look: keyEncrypted, reason: "nobody is there to type a passphrase at a renewal"},
	{name: "key.multiple", severity: refuse, look: keyMultiple, reason: "which of several keys was meant is anybody's guess"},
	{name: "key.type", severity: refuse, look: keyType, reason: "clients do not support keys of every type"},
	{name: "key.parse", severity: refuse, fixed: true, look: keyParse, reason: "a key that cannot be read cannot sign"},

	{name: "tickets.keys", severity: refuse, fixed: true, look: ticketsKeys, reason: "with other keys than its peers have, or with none, an instance resumes nobody's session"},

	{name: "cert.parse", severity: refuse, fixed: true, look: certParse, reason: "clients refuse a chain with a certificate they cannot read"},
	{name: "chain.leaf_not_first", severity: refuse, fixed: true, look: chainLeafNotFirst, reason: "clients take the first certificate for the server's"},
	{name: "pair.mismatch", severity: refuse, fixed: true, look: pairMismatch, reason: "no handshake succeeds with another certificate's key"},

	{name: "file.writable_by_others", severity: refuse, look: fileWritableByOthers, reason: "whoever may replace the files chooses what is served"},
	{name: "file.key_world_readable", severity: warn, look: fileKeyWorldReadable, reason: "whoever can read the key can pretend to be this service"},
	{name: "file.key_group_readable", severity: warn, look: fileKeyGroupReadable, reason: "whoever can read the key can pretend to be this service"},
	{name: "file.owner", severity: warn, look: fileOwner, reason: "the owner of a file can replace it, whatever its mode"},
	{name: "file.symlink", severity: info, look: fileSymlink, reason: "what counts lies elsewhere than the configuration says"},
	{name: "file.unlinked", severity: warn, look: fileUnlinked, reason: "a file that was replaced outside a bind mount never changes inside"},

	{name: "pem.label", severity: refuse, look: pemLabel, reason: "a block that does not belong there is skipped by some readers and not by others"},
	{name: "pem.key_in_cert_file", severity: warn, look: pemKeyInCertFile, reason: "certificate files are often readable by everybody"},
	{name: "pem.trailing_text", severity: warn, look: pemTrailingText, reason: "text at the end is often left by a tool that went wrong"},

	{name: "key.size", severity: refuse, look: keySizeLimits, reason: "clients refuse keys that are too small to be safe or too large to compute with"},
	{name: "key.exponent", severity: warn, look: keyExponent, reason: "some clients refuse small exponents, and attacks on them are known"},
	{name: "key.uncommon", severity: warn, look: keyUncommon, reason: "some clients cannot use such a key"},

	{name: "clock.sane", severity: warn, look: clockSane, reason: "with a wrong clock every judgement on time is wrong"},
	{name: "time.inverted", severity: refuse, look: timeInverted, reason: "such a certificate is never valid"},
	{name: "time.expired", severity: refuse, look: timeExpired, reason: "clients refuse an expired certificate"},
	{name: "time.not_yet", severity: refuse, look: timeNotYet, reason: "clients refuse a certificate whose time has not come"},
	{name: "time.remaining", severity: warn, look: timeRemaining, reason: "a certificate that ends soon should have been renewed already"},
	{name: "time.long_lived", severity: info, look: timeLongLived, reason: "some clients refuse public certificates that live longer than 398 days"},

	{name: "name.no_san", severity: refuse, look: nameNoSAN, reason: "clients look for the name among the alternative names alone"},
	{name: "name.malformed", severity: refuse, look: nameMalformed, reason: "no client can ask for such a name"},
	{name: "name.missing", severity: refuse, look: nameMissing, reason: "clients of a configured name would refuse the certificate"},
	{name: "name.lost", severity: refuse, look: nameLost, reason: "clients of a name that is served now would refuse the certificate"},
	{name: "name.control_chars", severity: warn, look: nameControlChars, reason: "such characters forge logs and steer terminals"},
	{name: "change.held", severity: info, reason: "what is served is not what lies on disk", look: changeHeld},
	{name: "name.duplicate", severity: warn, across: true, reason: "only one of two certificates for a name is served"},

	{name: "cert.serial_long", severity: info, look: certSerialLong, reason: "some clients refuse serial numbers of more than 20 octets"},
	{name: "ext.leaf_is_ca", severity: refuse, look: extLeafIsCA, reason: "clients refuse an authority's certificate as a server's"},
	{name: "ext.eku", severity: refuse, look: extEKU, reason: "clients refuse a certificate that is not for servers"},
	{name: "ext.no_eku", severity: info, look: extNoEKU, reason: "public authorities always say what a certificate is for"},
	{name: "ext.ku", severity: warn, look: extKU, reason: "browsers refuse a certificate whose key may not sign"},
	{name: "ext.critical_unknown", severity: refuse, look: extCriticalUnknown, reason: "clients must refuse what they do not understand and may not ignore"},
	{name: "ext.must_staple", severity: warn, look: extMustStaple, reason: "clients would wait for an OCSP response that nobody staples"},

	{name: "sig.weak", severity: refuse, look: sigWeak, reason: "clients refuse signatures that can be forged"},
	{name: "chain.incomplete", severity: refuse, look: chainIncomplete, reason: "clients that do not know the intermediate refuse the leaf"},
	{name: "chain.bad_signature", severity: refuse, look: chainBadSignature, reason: "clients find no way from the leaf to a root"},
	{name: "chain.issuer_not_ca", severity: refuse, look: chainIssuerNotCA, reason: "clients accept certificates from authorities alone"},
	{name: "chain.pathlen", severity: refuse, look: chainPathLen, reason: "clients refuse a chain longer than an authority in it allows"},
	{name: "chain.name_constraint", severity: refuse, look: chainNameConstraint, reason: "clients refuse names that the authority may not issue for"},
	{name: "chain.expired", severity: refuse, look: chainExpired, reason: "clients refuse a chain with an expired authority"},
	{name: "chain.untrusted", severity: off, look: chainUntrusted, reason: "clients refuse a chain that leads to no root they trust"},
	{name: "chain.message_too_large", severity: refuse, look: chainMessageTooLarge, reason: "clients break off when the chain is too large to be read"},
	{name: "chain.expires_first", severity: warn, look: chainExpiresFirst, reason: "when an authority ends, the leaf is worth nothing any more"},
	{name: "chain.order", severity: warn, look: chainOrder, reason: "old clients expect each certificate to be followed by its issuer"},
	{name: "chain.duplicate", severity: warn, look: chainDuplicate, reason: "the same bytes twice make every handshake longer"},
	{name: "chain.extraneous", severity: warn, look: chainExtraneous, reason: "what leads nowhere makes every handshake longer"},
	{name: "chain.too_long", severity: warn, look: chainTooLong, reason: "some clients stop following a chain after ten certificates"},
	{name: "chain.self_signed", severity: warn, look: chainSelfSigned, reason: "only clients that were given this certificate trust it"},
	{name: "chain.root_included", severity: info, look: chainRootIncluded, reason: "clients use their own copy of the root"},
	{name: "chain.issuer_changed", severity: info, look: chainIssuerChanged, reason: "another authority may be trusted by other clients"},

	{name: "change.none", severity: info, look: changeNone, reason: "what lies on disk is what is served already"},
	{name: "change.chain_only", severity: info, look: changeChainOnly, reason: "the leaf stays and what follows it changes"},
	{name: "change.key_reused", severity: info, look: changeKeyReused, reason: "a key that is kept for long has had more time to leak"},
	{name: "change.older", severity: warn, look: changeOlder, reason: "an old certificate usually comes from a backup or a wrong link"},

	{name: "proof.sign", severity: refuse, fixed: true, prove: proofSign, reason: "only a signature shows that the private half is whole"},
	{name: "proof.handshake", severity: refuse, fixed: true, prove: proofHandshake, reason: "only a handshake shows that clients can connect"},
}
