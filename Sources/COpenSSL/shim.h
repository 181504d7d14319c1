// OpenSSL 3. What its headers define as macros stands here as inline functions, which Swift can call.
#ifndef ENTENTE_COPENSSL_SHIM_H
#define ENTENTE_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#endif
