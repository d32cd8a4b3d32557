/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, Ed25519 keys and random bytes, from OpenSSL 3 (EVP). Thread safe. */
#ifndef RUNTIME_CRYPTO_H
#define RUNTIME_CRYPTO_H

#include "lib/digest.h"
#include "lib/failure.h"
#include "wire/metainfo.h"

extern const struct digest_ops crypto_digest_ops;

/* Incremental SHA-256 and SHA-1 over the same stream, for import. */
struct crypto_digest;
MUST_USE struct crypto_digest *crypto_digest_create(bool sha256); /* else SHA-1 */
void crypto_digest_update(struct crypto_digest *digest, const void *bytes, size_t bytes_count);
void crypto_digest_final(struct crypto_digest *digest, uint8_t *result); /* and starts anew */
struct crypto_digest *crypto_digest_destroy(struct crypto_digest *digest);

/* RFC 2104 with SHA-256. */
void crypto_hmac_sha256(uint8_t mac[static SHA256_BYTES], const void *key, size_t key_bytes,
	const void *bytes, size_t bytes_count);

struct site_key; /* an Ed25519 private key */

/* Loads a PEM (PKCS#8) private key. With `create`, what does not exist of the pair is made first:
 * the key, mode 0600, its public half (PEM) at site_key_public_path, and the directory they lie in.
 */
MUST_USE struct site_key *site_key_open(const char *path, bool create, struct failure *failure);
struct site_key *site_key_close(struct site_key *key);
/* "DIR/site.key" -> "DIR/site.pub", "DIR/name" -> "DIR/name.pub". False when it does not fit. */
MUST_USE bool site_key_public_path(const char *path, char *public_path, size_t capacity);
void site_key_public(const struct site_key *key, uint8_t public_key[static ED25519_KEY_BYTES]);
MUST_USE bool site_key_sign(const struct site_key *key, const void *bytes, size_t bytes_count,
	struct signature *signature);

/* Trusted public keys: raw 32-byte keys from PEM files. */
struct trusted_keys {
	uint8_t keys[SIGNATURES_MAX][ED25519_KEY_BYTES];
	uint32_t keys_count;
};

/* Adds every "*.pub" PEM in a directory (NOT_FOUND when there is none), or one PEM file. The caller
 * sets keys_count to 0 before the first call. */
MUST_USE bool trusted_keys_load(
	struct trusted_keys *trusted, const char *path, struct failure *failure);

/* True when at least one signature is by a trusted key and right. SIGNATURE_MISSING when none is by
 * a trusted key, SIGNATURE_WRONG when one is but does not match. */
MUST_USE bool crypto_verify_any(const struct trusted_keys *trusted,
	const struct signature *signatures, uint32_t signatures_count, const void *bytes,
	size_t bytes_count, struct failure *failure);

/* Never fails: aborts when the system has no randomness. */
void crypto_random(void *bytes, size_t bytes_count);

#endif
