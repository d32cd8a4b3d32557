/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests, HMAC and random bytes from OpenSSL 3. Algorithms are fetched once for the process:
 * an implicit fetch per call costs more than hashing a short message. OpenSSL fails here only when
 * memory is gone or the library is broken, so that is the end of the process. Rows of messages go
 * through the processor two at a time where it has the instructions (sha256_pair.c).
 */
#include "runtime/crypto.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "runtime/sha256_pair.h"

static pthread_once_t algorithms_once = PTHREAD_ONCE_INIT;
static EVP_MD *algorithm_sha1;
static EVP_MD *algorithm_sha256;
static bool pairs_possible;

static void crypto_abort(const char *what)
{
	fprintf(stderr, "swarmboot: OpenSSL: %s failed\n", what);
	abort();
}

static void algorithms_fetch(void)
{
	algorithm_sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	algorithm_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (algorithm_sha1 == NULL || algorithm_sha256 == NULL)
		crypto_abort("fetching SHA-1 and SHA-256");
	pairs_possible = sha256_pair_possible();
}

static const EVP_MD *algorithm(bool sha256)
{
	if (pthread_once(&algorithms_once, algorithms_fetch) != 0)
		crypto_abort("pthread_once");
	return sha256 ? algorithm_sha256 : algorithm_sha1;
}

static void digest_sha1(uint8_t digest[static SHA1_BYTES], const void *bytes, size_t bytes_count)
{
	if (EVP_Digest(bytes, bytes_count, digest, NULL, algorithm(false), NULL) != 1)
		crypto_abort("SHA-1");
}

static void digest_sha256(
	uint8_t digest[static SHA256_BYTES], const void *bytes, size_t bytes_count)
{
	if (EVP_Digest(bytes, bytes_count, digest, NULL, algorithm(true), NULL) != 1)
		crypto_abort("SHA-256");
}

static void digest_sha256_row(uint8_t (*digests)[SHA256_BYTES], const void *bytes,
	size_t message_bytes, size_t messages_count)
{
	const uint8_t *message = bytes;

	(void)algorithm(true);
	for (; pairs_possible && messages_count >= 2; messages_count -= 2) {
		sha256_pair(digests, message, message + message_bytes, message_bytes);
		message += 2 * message_bytes;
		digests += 2;
	}
	for (; messages_count > 0; messages_count--) {
		digest_sha256(*digests++, message, message_bytes);
		message += message_bytes;
	}
}

const struct digest_ops crypto_digest_ops = {
	.sha1 = digest_sha1, .sha256 = digest_sha256, .sha256_row = digest_sha256_row};

struct crypto_digest {
	EVP_MD_CTX *context;
	const EVP_MD *algorithm;
};

struct crypto_digest *crypto_digest_create(bool sha256)
{
	struct crypto_digest *digest = calloc(1, sizeof(*digest));

	if (digest == NULL || (digest->context = EVP_MD_CTX_new()) == NULL)
		crypto_abort("allocation");
	digest->algorithm = algorithm(sha256);
	if (EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) != 1)
		crypto_abort("starting a digest");
	return digest;
}

void crypto_digest_update(struct crypto_digest *digest, const void *bytes, size_t bytes_count)
{
	if (EVP_DigestUpdate(digest->context, bytes, bytes_count) != 1)
		crypto_abort("updating a digest");
}

void crypto_digest_final(struct crypto_digest *digest, uint8_t *result)
{
	if (EVP_DigestFinal_ex(digest->context, result, NULL) != 1 ||
		EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) != 1)
		crypto_abort("finishing a digest");
}

struct crypto_digest *crypto_digest_destroy(struct crypto_digest *digest)
{
	if (digest != NULL)
		EVP_MD_CTX_free(digest->context);
	free(digest);
	return NULL;
}

void crypto_hmac_sha256(uint8_t mac[static SHA256_BYTES], const void *key, size_t key_bytes,
	const void *bytes, size_t bytes_count)
{
	if (HMAC(algorithm(true), key, (int)key_bytes, bytes, bytes_count, mac, NULL) == NULL)
		crypto_abort("HMAC");
}

void crypto_random(void *bytes, size_t bytes_count)
{
	uint8_t *at = bytes;

	while (bytes_count > 0) {
		ssize_t got = getrandom(at, bytes_count, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			fprintf(stderr, "swarmboot: the system has no random bytes\n");
			abort();
		}
		at += got;
		bytes_count -= (size_t)got;
	}
}
