// The one transport of this process, which the op finds and Python starts.
#ifndef TFDGAN_NATIVE_PROCESS_H_
#define TFDGAN_NATIVE_PROCESS_H_

#include <memory>

#include "transport/transport.h"

namespace tfdgan {

std::shared_ptr<Transport> ProcessTransport();  // nullptr if it does not run
int ProcessRank();
int ProcessSize();

}  // namespace tfdgan

#endif  // TFDGAN_NATIVE_PROCESS_H_
