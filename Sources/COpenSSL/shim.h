// OpenSSL 3. What its headers define as macros stands here as inline functions, which Swift can call.
#ifndef ENTENTE_COPENSSL_SHIM_H
#define ENTENTE_COPENSSL_SHIM_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// --- TLS (target MutualTLS): macros and variadic functions as functions. ---

static inline int entente_SSL_CTX_set_min_proto_version(SSL_CTX *ctx, int version) {
    return (int)SSL_CTX_set_min_proto_version(ctx, version);
}

static inline long entente_SSL_CTX_set_mode(SSL_CTX *ctx, long mode) {
    return SSL_CTX_set_mode(ctx, mode);
}

static inline long entente_SSL_CTX_session_cache_off(SSL_CTX *ctx) {
    return SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

static inline int entente_SSL_CTX_set1_groups_list(SSL_CTX *ctx, const char *list) {
    return (int)SSL_CTX_set1_groups_list(ctx, list);
}

static inline long entente_SSL_CTX_set_max_cert_list(SSL_CTX *ctx, long bytes) {
    return SSL_CTX_set_max_cert_list(ctx, bytes);
}

static inline int entente_SSL_CTX_add1_chain_cert(SSL_CTX *ctx, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(ctx, certificate);
}

static inline uint64_t entente_SSL_options(void) {
    return SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET;
}

static inline long entente_SSL_modes(void) {
    return SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN;
}

static inline int entente_SSL_set_tlsext_host_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

static inline int entente_SSL_get_ex_new_index(void) {
    return SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

// The name of the key exchange group both sides agreed on, or NULL.
static inline const char *entente_SSL_group_name(SSL *ssl) {
    return SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl));
}

static inline void entente_BIO_set_retry_read(BIO *bio) {
    BIO_set_retry_read(bio);
}

static inline void entente_BIO_clear_retry(BIO *bio) {
    BIO_clear_retry_flags(bio);
}

static inline long entente_BIO_get_mem_data(BIO *bio, char **data) {
    return BIO_get_mem_data(bio, data);
}

static inline STACK_OF(X509) *entente_sk_X509_new(void) {
    return sk_X509_new_null();
}

static inline int entente_sk_X509_push(STACK_OF(X509) *stack, X509 *certificate) {
    return sk_X509_push(stack, certificate);
}

// Frees the stack, not what it points at.
static inline void entente_sk_X509_free(STACK_OF(X509) *stack) {
    sk_X509_free(stack);
}

static inline int entente_GENERAL_NAME_count(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}

static inline GENERAL_NAME *entente_GENERAL_NAME_at(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}

static inline unsigned long entente_XN_FLAG_RFC2253(void) {
    return XN_FLAG_RFC2253;
}

static inline EVP_PKEY *entente_generate_P256(void) {
    return EVP_EC_gen("P-256");
}

// What OpenSSL gives back to the ordinary heap is wiped: the decoder of private keys leaves a copy of the key there.
static void *entente_wiping_allocate(size_t count, const char *file, int line) {
    return malloc(count);
}

static void entente_wiping_free(void *bytes, const char *file, int line) {
    if (bytes == NULL) return;
    explicit_bzero(bytes, malloc_usable_size(bytes));
    free(bytes);
}

static void *entente_wiping_reallocate(void *bytes, size_t count, const char *file, int line) {
    if (bytes == NULL) return malloc(count);
    if (count == 0) {
        entente_wiping_free(bytes, file, line);
        return NULL;
    }
    size_t held = malloc_usable_size(bytes);
    void *moved = malloc(count);
    if (moved == NULL) return NULL;
    memcpy(moved, bytes, held < count ? held : count);
    entente_wiping_free(bytes, file, line);
    return moved;
}

// Answers 0 where OpenSSL has taken memory before.
static inline int entente_wipe_what_is_freed(void) {
    return CRYPTO_set_mem_functions(entente_wiping_allocate, entente_wiping_reallocate, entente_wiping_free);
}

#endif
