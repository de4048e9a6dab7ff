// The functions of transport/crypto.h by OpenSSL.
//
// A library of its own, linked with a copy of libcrypto whose symbols are hidden: TensorFlow exports those of BoringSSL,
// which have the same names and other structures behind them.
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
  return HMAC(EVP_sha256(), key, sizeof(Digest), static_cast<const uint8_t*>(message), count, digest, &length) != nullptr;
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

// Each record has a nonce of its own: its number, which no two records of a direction share.
bool Begin(EVP_CIPHER_CTX* context, uint64_t number, const iovec* clear, size_t clears, int seals) {
  uint8_t nonce[kNonceBytes] = {};
  for (int i = 0; i < 8; ++i) nonce[kNonceBytes - 1 - i] = static_cast<uint8_t>(number >> (8 * i));
  if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce, seals) != 1) return false;
  int length = 0;
  for (size_t i = 0; i < clears; ++i) {
    if (EVP_CipherUpdate(context, nullptr, &length, static_cast<const uint8_t*>(clear[i].iov_base),
                         static_cast<int>(clear[i].iov_len)) != 1) {
      return false;
    }
  }
  return true;
}

int Seal(void* direction, uint64_t number, const iovec* clear, size_t clears, const iovec* pieces, size_t count,
         void* out, uint8_t* tag) {
  EVP_CIPHER_CTX* const context = static_cast<EVP_CIPHER_CTX*>(direction);
  if (!Begin(context, number, clear, clears, 1)) return 0;
  uint8_t* to = static_cast<uint8_t*>(out);
  int length = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* const from = static_cast<const uint8_t*>(pieces[i].iov_base);
    if (EVP_CipherUpdate(context, to, &length, from, static_cast<int>(pieces[i].iov_len)) != 1) return 0;
    if (to) to += length;
  }
  uint8_t none[16];
  return EVP_CipherFinal_ex(context, none, &length) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1;
}

int Unseal(void* direction, uint64_t number, const iovec* clear, size_t clears, const void* sealed,
           const iovec* pieces, size_t count, const uint8_t* tag) {
  EVP_CIPHER_CTX* const context = static_cast<EVP_CIPHER_CTX*>(direction);
  if (!Begin(context, number, clear, clears, 0)) return 0;
  const uint8_t* from = static_cast<const uint8_t*>(sealed);
  int length = 0;
  for (size_t i = 0; i < count; ++i) {
    uint8_t* const piece = static_cast<uint8_t*>(pieces[i].iov_base);
    if (EVP_CipherUpdate(context, from ? piece : nullptr, &length, from ? from : piece,
                         static_cast<int>(pieces[i].iov_len)) != 1) {
      return 0;
    }
    if (from) from += pieces[i].iov_len;
  }
  uint8_t none[16];
  return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, const_cast<uint8_t*>(tag)) == 1 &&
         EVP_CipherFinal_ex(context, none, &length) == 1;
}

}  // namespace
}  // namespace tfdgan

extern "C" __attribute__((visibility("default"))) const tfdgan::Crypto* tfdgan_crypto() {
  static const tfdgan::Crypto crypto{tfdgan::Hmac,  tfdgan::Derive, tfdgan::Open,
                                     tfdgan::Close, tfdgan::Seal,   tfdgan::Unseal};
  return &crypto;
}
