/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, HMAC and Ed25519 against published vectors (FIPS 180-4 examples, RFC 4231, RFC
 * 8032 7.1), key files on a disk, and what is and is not accepted as a signature. */
#include "runtime/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

static char directory[64];

static const char *in_directory(char path[static 128], const char *name)
{
	snprintf(path, 128, "%s/%s", directory, name);
	return path;
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void assert_hex(const uint8_t *bytes, size_t bytes_count, const char *hex)
{
	char text[256];

	hex_write(text, bytes, bytes_count);
	assert_string_equal(text, hex);
}

static void digests_match_fips_180_4(void **state)
{
	uint8_t sha1[SHA1_BYTES];
	uint8_t sha256[SHA256_BYTES];

	(void)state;
	crypto_digest_ops.sha1(sha1, "abc", 3);
	assert_hex(sha1, sizeof(sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
	crypto_digest_ops.sha256(sha256, "abc", 3);
	assert_hex(sha256, sizeof(sha256),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_digest_ops.sha256(sha256, NULL, 0);
	assert_hex(sha256, sizeof(sha256),
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* Every length around a block's end, an odd and an even number of messages. */
static void rows_of_messages_hash_as_each_alone(void **state)
{
	uint8_t bytes[5 * 300];
	uint8_t row[5][SHA256_BYTES], alone[SHA256_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i >> 3);
	for (size_t length = 0; length < 300; length++)
		for (size_t count = 0; count <= 5; count++) {
			crypto_digest_ops.sha256_row(row, bytes, length, count);
			for (size_t i = 0; i < count; i++) {
				crypto_digest_ops.sha256(alone, bytes + i * length, length);
				assert_memory_equal(row[i], alone, SHA256_BYTES);
			}
		}
}

static void incremental_digests_start_anew_after_final(void **state)
{
	uint8_t result[SHA256_BYTES];

	(void)state;
	for (int sha256 = 0; sha256 < 2; sha256++) {
		struct crypto_digest *digest = crypto_digest_create(sha256);

		for (int round = 0; round < 2; round++) {
			crypto_digest_update(digest, "a", 1);
			crypto_digest_update(digest, "bc", 2);
			crypto_digest_final(digest, result);
			assert_hex(result, sha256 ? SHA256_BYTES : SHA1_BYTES,
				sha256 ? "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f"
					 "20015ad"
				       : "a9993e364706816aba3e25717850c26c9cd0d89d");
		}
		assert_null(crypto_digest_destroy(digest));
	}
	assert_null(crypto_digest_destroy(NULL));
}

static void hmac_matches_rfc_4231_case_2(void **state)
{
	uint8_t mac[SHA256_BYTES];

	(void)state;
	crypto_hmac_sha256(mac, "Jefe", 4, "what do ya want for nothing?", 28);
	assert_hex(mac, sizeof(mac),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* RFC 8032, 7.1, TEST 1 to 3. The test puts the secret key behind PKCS#8's fixed head (RFC 8410,
 * 7). */
struct ed25519_vector {
	const char *secret;
	const char *public_key;
	const char *message;
	const char *signature;
};

static const struct ed25519_vector vectors[] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc6"
		"1e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e45"
		"8f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae"
		"67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

static void write_private_pem(const char *path, const char *secret_hex)
{
	uint8_t der[48] = {0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20};
	char base64[65];
	char text[256];

	assert_true(hex_read(der + 16, 32, secret_hex));
	assert_int_equal(EVP_EncodeBlock((uint8_t *)base64, der, sizeof(der)), 64);
	snprintf(text, sizeof(text), "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n",
		base64);
	write_text(path, text);
}

static void signatures_match_rfc_8032(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
		char path[128];
		uint8_t message[8];
		size_t message_bytes = strlen(vectors[i].message) / 2;
		struct signature signature;
		struct failure failure = {0};
		struct trusted_keys trusted = {.keys_count = 1};

		assert_true(hex_read(message, message_bytes, vectors[i].message));
		write_private_pem(in_directory(path, "vector.key"), vectors[i].secret);
		struct site_key *key = site_key_open(path, false, &failure);
		assert_non_null(key);
		site_key_public(key, trusted.keys[0]);
		assert_hex(trusted.keys[0], ED25519_KEY_BYTES, vectors[i].public_key);
		assert_true(site_key_sign(key, message, message_bytes, &signature));
		assert_hex(signature.key, sizeof(signature.key), vectors[i].public_key);
		assert_hex(signature.signature, sizeof(signature.signature), vectors[i].signature);
		assert_true(crypto_verify_any(
			&trusted, &signature, 1, message, message_bytes, &failure));
		assert_null(site_key_close(key));
	}
}

static void only_a_right_signature_by_a_trusted_key_is_accepted(void **state)
{
	char ours_path[128];
	char strangers_path[128];
	struct failure failure = {0};
	struct signature signatures[2];
	struct trusted_keys trusted = {.keys_count = 1};

	(void)state;
	struct site_key *ours = site_key_open(in_directory(ours_path, "ours.key"), true, &failure);
	struct site_key *stranger =
		site_key_open(in_directory(strangers_path, "stranger.key"), true, &failure);
	assert_non_null(ours);
	assert_non_null(stranger);
	site_key_public(ours, trusted.keys[0]);
	assert_true(site_key_sign(stranger, "disk", 4, &signatures[0]));
	assert_true(site_key_sign(ours, "disk", 4, &signatures[1]));

	assert_true(crypto_verify_any(&trusted, signatures, 2, "disk", 4, &failure));
	assert_false(crypto_verify_any(&trusted, signatures, 2, "disc", 4, &failure));
	assert_int_equal(failure.error, ERROR_SIGNATURE_WRONG);
	assert_false(crypto_verify_any(&trusted, signatures, 1, "disk", 4, &failure));
	assert_int_equal(failure.error, ERROR_SIGNATURE_MISSING);
	assert_false(crypto_verify_any(&trusted, signatures, 0, "disk", 4, &failure));
	assert_int_equal(failure.error, ERROR_SIGNATURE_MISSING);
	for (size_t bit = 0; bit < 8 * sizeof(signatures[1].signature); bit++) {
		struct signature bent = signatures[1];

		bent.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(crypto_verify_any(&trusted, &bent, 1, "disk", 4, &failure));
		assert_int_equal(failure.error, ERROR_SIGNATURE_WRONG);
	}
	/* The stranger's signature under our name. */
	memcpy(signatures[0].key, trusted.keys[0], ED25519_KEY_BYTES);
	assert_false(crypto_verify_any(&trusted, signatures, 1, "disk", 4, &failure));
	assert_null(site_key_close(ours));
	assert_null(site_key_close(stranger));
	assert_null(site_key_close(NULL));
}

static void a_key_is_made_once_and_its_public_half_again_when_lost(void **state)
{
	char path[128];
	char public_path[128];
	uint8_t first[ED25519_KEY_BYTES];
	uint8_t again[ED25519_KEY_BYTES];
	struct stat status;
	struct failure failure = {0};
	struct trusted_keys trusted = {0};

	(void)state;
	in_directory(path, "keys/site.key");
	assert_null(site_key_open(path, false, &failure));
	assert_int_equal(failure.error, ERROR_NOT_FOUND);
	struct site_key *key = site_key_open(path, true, &failure);
	assert_non_null(key);
	site_key_public(key, first);
	assert_null(site_key_close(key));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(unlink(in_directory(public_path, "keys/site.pub")), 0);
	key = site_key_open(path, true, &failure);
	assert_non_null(key);
	site_key_public(key, again);
	assert_null(site_key_close(key));
	assert_memory_equal(first, again, sizeof(first));
	assert_true(trusted_keys_load(&trusted, in_directory(path, "keys"), &failure));
	assert_int_equal(trusted.keys_count, 1);
	assert_memory_equal(trusted.keys[0], first, sizeof(first));
}

static void what_is_no_ed25519_key_is_refused(void **state)
{
	char path[128];
	struct failure failure = {0};
	struct trusted_keys trusted = {0};
	static const char rsa_public[] = "-----BEGIN PUBLIC KEY-----\n"
					 "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL4TZT0H\n"
					 "-----END PUBLIC KEY-----\n";

	(void)state;
	write_text(in_directory(path, "bad.key"), "not a key\n");
	assert_null(site_key_open(path, false, &failure));
	assert_int_equal(failure.error, ERROR_FORMAT);
	assert_null(site_key_open("/dev/zero", false, &failure));
	assert_int_equal(failure.error, ERROR_FORMAT);
	write_text(in_directory(path, "bad.pub"), rsa_public);
	assert_false(trusted_keys_load(&trusted, path, &failure));
	assert_int_equal(failure.error, ERROR_FORMAT);
	assert_false(trusted_keys_load(&trusted, in_directory(path, "absent"), &failure));
	assert_int_equal(failure.error, ERROR_NOT_FOUND);
	assert_int_equal(mkdir(in_directory(path, "empty"), 0700), 0);
	assert_false(trusted_keys_load(&trusted, path, &failure));
	assert_int_equal(failure.error, ERROR_NOT_FOUND);
	assert_int_equal(trusted.keys_count, 0);
}

static void random_bytes_differ(void **state)
{
	uint8_t a[32] = {0};
	uint8_t b[32] = {0};

	(void)state;
	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/test_crypto.XXXXXX");
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r -- %s", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_match_fips_180_4),
		cmocka_unit_test(rows_of_messages_hash_as_each_alone),
		cmocka_unit_test(incremental_digests_start_anew_after_final),
		cmocka_unit_test(hmac_matches_rfc_4231_case_2),
		cmocka_unit_test(signatures_match_rfc_8032),
		cmocka_unit_test(only_a_right_signature_by_a_trusted_key_is_accepted),
		cmocka_unit_test(a_key_is_made_once_and_its_public_half_again_when_lost),
		cmocka_unit_test(what_is_no_ed25519_key_is_refused),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
