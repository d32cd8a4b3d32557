/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 keys (RFC 8032) in PEM files, signatures by them, and the set of keys that is trusted.
 * A key appears under its name only when it is whole and on the disk.
 */
#include "runtime/crypto.h"

#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PEM_BYTES_MAX (16 * KIB)

struct site_key {
	EVP_PKEY *pkey;
	uint8_t public_key[ED25519_KEY_BYTES];
};

static bool pem_read_file(const char *path, char *text, size_t *text_bytes, struct failure *failure)
{
	SCOPED(file) FILE *file = fopen(path, "re");

	if (file == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read the key %s", path);
	*text_bytes = fread(text, 1, PEM_BYTES_MAX, file);
	if (ferror(file))
		return failure_errno(failure, ERROR_SYSTEM, "cannot read the key %s", path);
	if (*text_bytes == PEM_BYTES_MAX)
		return failure_set(failure, ERROR_FORMAT, "%s is too large for a key", path);
	return true;
}

/* NULL unless the file holds an Ed25519 key of the wanted half. */
static EVP_PKEY *pem_load(const char *path, bool private_half, struct failure *failure)
{
	char text[PEM_BYTES_MAX];
	size_t text_bytes = 0;
	EVP_PKEY *pkey = NULL;

	if (!pem_read_file(path, text, &text_bytes, failure))
		return NULL;
	BIO *bio = BIO_new_mem_buf(text, (int)text_bytes);
	if (bio != NULL)
		/* An empty passphrase: an encrypted key must not ask on the terminal. */
		pkey = private_half ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"")
				    : PEM_read_bio_PUBKEY(bio, NULL, NULL, (void *)"");
	BIO_free(bio);
	OPENSSL_cleanse(text, sizeof(text));
	if (pkey == NULL || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(pkey);
		failure_set(failure, ERROR_FORMAT, "%s is not an Ed25519 %s key in PEM form", path,
			private_half ? "private" : "public");
		return NULL;
	}
	return pkey;
}

/* Writes PATH through a synced temporary file; leaves an existing PATH alone. */
static bool pem_store(
	const char *path, mode_t mode, const char *text, size_t text_bytes, struct failure *failure)
{
	char temporary[4096];
	int length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);

	if (length < 0 || (size_t)length >= sizeof(temporary))
		return failure_set(failure, ERROR_LIMIT, "the path %s is too long", path);
	SCOPED(fd) int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot make a key at %s", path);
	bool stored = write(fd, text, text_bytes) == (ssize_t)text_bytes && fchmod(fd, mode) == 0 &&
		      fsync(fd) == 0 && (link(temporary, path) == 0 || errno == EEXIST);
	if (!stored)
		failure_errno(failure, ERROR_SYSTEM, "cannot write the key %s", path);
	if (unlink(temporary) != 0 && stored)
		return failure_errno(failure, ERROR_SYSTEM, "cannot remove %s", temporary);
	return stored;
}

static bool pem_store_key(
	EVP_PKEY *pkey, const char *path, bool private_half, struct failure *failure)
{
	char *text = NULL;
	bool stored = false;
	BIO *bio = BIO_new(BIO_s_secmem());

	if (bio != NULL &&
		(private_half ? PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
			      : PEM_write_bio_PUBKEY(bio, pkey)) == 1) {
		long text_bytes = BIO_get_mem_data(bio, &text);

		stored = pem_store(
			path, private_half ? 0600 : 0644, text, (size_t)text_bytes, failure);
	} else {
		failure_set(failure, ERROR_SYSTEM, "OpenSSL cannot write the key %s", path);
	}
	BIO_free(bio);
	return stored;
}

bool site_key_public_path(const char *path, char *public_path, size_t capacity)
{
	size_t length = strlen(path);

	if (length > 4 && strcmp(path + length - 4, ".key") == 0)
		length -= 4;
	int used = snprintf(public_path, capacity, "%.*s.pub", (int)length, path);
	return used >= 0 && (size_t)used < capacity;
}

static bool sync_parent(const char *path, bool make, struct failure *failure)
{
	char parent[4096];
	const char *slash = strrchr(path, '/');

	snprintf(parent, sizeof(parent), "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
		slash == NULL ? "." : path);
	if (make && mkdir(parent, 0755) != 0 && errno != EEXIST)
		return failure_errno(failure, ERROR_SYSTEM, "cannot make the directory %s", parent);
	SCOPED(fd) int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot sync the directory %s", parent);
	return true;
}

/* Makes what is missing of the pair; the private half first, the other can be made from it. */
static bool pair_create(const char *path, struct failure *failure)
{
	char public_path[4096];

	if (!site_key_public_path(path, public_path, sizeof(public_path)))
		return failure_set(failure, ERROR_LIMIT, "the path %s is too long", path);
	if (access(path, F_OK) == 0 && access(public_path, F_OK) == 0)
		return true;
	if (!sync_parent(path, true, failure))
		return false;
	if (access(path, F_OK) != 0) {
		EVP_PKEY *made = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		bool stored = made != NULL ? pem_store_key(made, path, true, failure)
					   : failure_set(failure, ERROR_SYSTEM,
						     "OpenSSL cannot make a key");

		EVP_PKEY_free(made);
		if (!stored)
			return false;
	}
	EVP_PKEY *pkey = pem_load(path, true, failure);
	bool stored = pkey != NULL && pem_store_key(pkey, public_path, false, failure);
	EVP_PKEY_free(pkey);
	return stored && sync_parent(path, false, failure);
}

static bool public_bytes(EVP_PKEY *pkey, uint8_t public_key[static ED25519_KEY_BYTES])
{
	size_t length = ED25519_KEY_BYTES;

	return EVP_PKEY_get_raw_public_key(pkey, public_key, &length) == 1 &&
	       length == ED25519_KEY_BYTES;
}

struct site_key *site_key_open(const char *path, bool create, struct failure *failure)
{
	if (create && !pair_create(path, failure))
		return NULL;
	EVP_PKEY *pkey = pem_load(path, true, failure);
	if (pkey == NULL)
		return NULL;
	struct site_key *key = calloc(1, sizeof(*key));
	if (key == NULL || !public_bytes(pkey, key->public_key)) {
		failure_set(failure, ERROR_MEMORY, "out of memory");
		EVP_PKEY_free(pkey);
		free(key);
		return NULL;
	}
	key->pkey = pkey;
	return key;
}

struct site_key *site_key_close(struct site_key *key)
{
	if (key != NULL)
		EVP_PKEY_free(key->pkey);
	free(key);
	return NULL;
}

void site_key_public(const struct site_key *key, uint8_t public_key[static ED25519_KEY_BYTES])
{
	memcpy(public_key, key->public_key, ED25519_KEY_BYTES);
}

bool site_key_sign(const struct site_key *key, const void *bytes, size_t bytes_count,
	struct signature *signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t length = sizeof(signature->signature);
	bool signed_ok =
		context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
		EVP_DigestSign(context, signature->signature, &length, bytes, bytes_count) == 1 &&
		length == sizeof(signature->signature);

	memcpy(signature->key, key->public_key, sizeof(signature->key));
	EVP_MD_CTX_free(context);
	return signed_ok;
}

static bool trusts(const struct trusted_keys *trusted, const uint8_t *key)
{
	for (uint32_t i = 0; i < trusted->keys_count; i++)
		if (memcmp(trusted->keys[i], key, ED25519_KEY_BYTES) == 0)
			return true;
	return false;
}

static bool trusted_add_file(
	struct trusted_keys *trusted, const char *path, struct failure *failure)
{
	uint8_t key[ED25519_KEY_BYTES];
	EVP_PKEY *pkey = pem_load(path, false, failure);

	if (pkey == NULL)
		return false;
	bool got = public_bytes(pkey, key);
	EVP_PKEY_free(pkey);
	if (!got)
		return failure_set(failure, ERROR_FORMAT, "%s has no public key", path);
	if (trusts(trusted, key))
		return true;
	if (trusted->keys_count == ARRAY_COUNT(trusted->keys))
		return failure_set(failure, ERROR_LIMIT, "%s: more than %zu trusted keys", path,
			ARRAY_COUNT(trusted->keys));
	memcpy(trusted->keys[trusted->keys_count++], key, sizeof(key));
	return true;
}

static int is_public_name(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 4 && strcmp(entry->d_name + length - 4, ".pub") == 0;
}

bool trusted_keys_load(struct trusted_keys *trusted, const char *path, struct failure *failure)
{
	struct stat status;
	struct dirent **entries = NULL;
	bool loaded = true;

	if (stat(path, &status) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read the keys at %s", path);
	if (!S_ISDIR(status.st_mode))
		return trusted_add_file(trusted, path, failure);
	int count = scandir(path, &entries, is_public_name, alphasort);
	if (count < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read the directory %s", path);
	for (int i = 0; i < count; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		loaded = loaded && trusted_add_file(trusted, file, failure);
		free(entries[i]);
	}
	free(entries);
	if (count == 0)
		return failure_set(failure, ERROR_NOT_FOUND,
			"no public key (*.pub) in the directory %s", path);
	return loaded;
}

bool crypto_verify_any(const struct trusted_keys *trusted, const struct signature *signatures,
	uint32_t signatures_count, const void *bytes, size_t bytes_count, struct failure *failure)
{
	bool any_trusted = false;

	for (uint32_t i = 0; i < signatures_count; i++) {
		const struct signature *signature = &signatures[i];

		if (!trusts(trusted, signature->key))
			continue;
		any_trusted = true;
		EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(
			EVP_PKEY_ED25519, NULL, signature->key, sizeof(signature->key));
		EVP_MD_CTX *context = EVP_MD_CTX_new();
		bool right = pkey != NULL && context != NULL &&
			     EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1 &&
			     EVP_DigestVerify(context, signature->signature,
				     sizeof(signature->signature), bytes, bytes_count) == 1;
		EVP_MD_CTX_free(context);
		EVP_PKEY_free(pkey);
		if (right)
			return true;
	}
	return any_trusted ? failure_set(failure, ERROR_SIGNATURE_WRONG,
				     "the signature by a trusted key does not match")
			   : failure_set(failure, ERROR_SIGNATURE_MISSING,
				     "not signed by any trusted key");
}
