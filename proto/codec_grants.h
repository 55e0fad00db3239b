#pragma once
// Grants in messages: the codec's part for grant_table_op.

#include "proto/codec.h"

namespace pvmmu {

void encode(const grant_table_op_call& call, wire::grant_table_op_call& message);
/// What the entries hold after the call.
void put_grants(const grant_table_op_call& call, wire::call_outcome& message);
/// Writes that into the entries of `call`, if it has any. The error: there are more or fewer.
decode_result<void> apply_grants(const wire::call_outcome& message, hypercall& call);

/// Whether the message is a call.
decode_result<void> check(const wire::grant_table_op_call& message);

}  // namespace pvmmu
