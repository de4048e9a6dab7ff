// The functions of transport/crypto.h by OpenSSL.
//
// A library of its own, linked with a copy of libcrypto whose symbols are hidden: TensorFlow exports those of
// BoringSSL, which have the same names and other structures behind them.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <cstring>

#include "transport/crypto.h"

namespace tfdgan {
namespace {

constexpr int kNonceBytes = 12;

int Hmac(const uint8_t* key, const void* message, size_t count, uint8_t* digest) {
  unsigned length = 0;
  return HMAC(EVP_sha256(), key, sizeof(Digest), static_cast<const uint8_t*>(message), count, digest, &length) !=
         nullptr;
}

int Derive(const uint8_t* key, const uint8_t* salt, const char* purpose, uint8_t* derived) {
  EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  EVP_KDF_CTX* const context = kdf ? EVP_KDF_CTX_new(kdf) : nullptr;
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<uint8_t*>(key), sizeof(Digest)),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<uint8_t*>(salt), 2 * sizeof(Digest)),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<char*>(purpose), std::strlen(purpose)),
      OSSL_PARAM_construct_end()};
  const int derives = context && EVP_KDF_derive(context, derived, sizeof(Digest), parameters) == 1;
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  return derives;
}

void* Open(const uint8_t* key, int seals) {
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  if (context && EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nullptr, key, nullptr, seals) == 1) return context;
  EVP_CIPHER_CTX_free(context);
  return nullptr;
}

void Close(void* direction) { EVP_CIPHER_CTX_free(static_cast<EVP_CIPHER_CTX*>(direction)); }

int Begin(void* direction, uint64_t number, const void* clear, size_t bytes) {
  uint8_t nonce[kNonceBytes] = {};
  for (int i = 0; i < 8; ++i) nonce[kNonceBytes - 1 - i] = static_cast<uint8_t>(number >> (8 * i));
  EVP_CIPHER_CTX* const context = static_cast<EVP_CIPHER_CTX*>(direction);
  int length = 0;
  return EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce, -1) == 1 &&
         EVP_CipherUpdate(context, nullptr, &length, static_cast<const uint8_t*>(clear), static_cast<int>(bytes)) == 1;
}

int Update(void* direction, const void* from, void* to, size_t bytes) {
  int length = 0;
  return EVP_CipherUpdate(static_cast<EVP_CIPHER_CTX*>(direction), static_cast<uint8_t*>(to), &length,
                          static_cast<const uint8_t*>(from), static_cast<int>(bytes)) == 1;
}

int Finish(void* direction, uint8_t* tag) {
  EVP_CIPHER_CTX* const context = static_cast<EVP_CIPHER_CTX*>(direction);
  uint8_t none[16];
  int length = 0;
  if (EVP_CIPHER_CTX_is_encrypting(context)) {
    return EVP_CipherFinal_ex(context, none, &length) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1;
  }
  return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag) == 1 &&
         EVP_CipherFinal_ex(context, none, &length) == 1;
}

}  // namespace
}  // namespace tfdgan

extern "C" __attribute__((visibility("default"))) const tfdgan::Crypto* tfdgan_crypto() {
  static const tfdgan::Crypto crypto{tfdgan::Hmac,  tfdgan::Derive, tfdgan::Open,  tfdgan::Close,
                                     tfdgan::Begin, tfdgan::Update, tfdgan::Finish};
  return &crypto;
}
