#include "tests/conformance/probe/run.h"

#include "tests/conformance/probe/access.h"
#include "tests/conformance/probe/blobs.h"
#include "tests/conformance/probe/foreign_domain.h"
#include "tests/conformance/probe/hypercalls.h"
#include "tests/conformance/probe/memory.h"

/// start.S
extern "C" pvmmu::s64 call_with_frame(pvmmu::u64 number, const pvmmu::u64* args, pvmmu::u64 frame_rax);

namespace pvmmu::probe {
namespace {

/// The program that is running: what its names mean.
struct running {
  environment& env;
  windows::window window;
  u64* mfns;  ///< of names, then of foreign frames
  u32 nr_names;
  u32 nr_foreign;
  u32 first_grant;
  const u8* first_result;  ///< of the calls'
};

u64 mfn_of(const running& run, u32 name) {
  if (name < run.nr_names) return run.mfns[name];
  if (name >= name_foreign && name - name_foreign < run.nr_foreign) return run.mfns[run.nr_names + name - name_foreign];
  const results_header& known = run.env.answers.header();
  switch (name) {
    case name_window_l1: return run.window.l1_mfn;
    case name_window_l2: return run.window.l2_mfn;
    case name_window_l3: return known.window_l3_mfn;
    case name_probe_l4: return known.probe_l4_mfn;
    case name_shared_info: return known.shared_info_mfn;
    case name_grant_table: return known.grant_table_mfns[run.first_grant / grants_per_frame];
    case name_m2p: return known.m2p_mfn;
    default: lost("no frame has this name", name);
  }
}

/// What call `index >> 16` of the program reported, its word `index & 0xffff`; 0 for one that it did not report.
u64 earlier_word(const running& run, u32 index) {
  const u8* at = run.first_result;
  for (u32 call = 0; call < index >> 16; ++call)
    at += sizeof(call_result) + reinterpret_cast<const call_result*>(at)->nr_out * sizeof(u64);
  if ((index & 0xffff) >= reinterpret_cast<const call_result*>(at)->nr_out) return 0;
  return reinterpret_cast<const u64*>(at + sizeof(call_result))[index & 0xffff];
}

/// `blob_bytes`: of the blobs of the call that the word belongs to.
u64 resolve(const running& run, const word& w, const u32* blob_bytes = nullptr) {
  switch (w.kind) {
    case word_kind::plain: return w.value;
    case word_kind::maddr: return w.value + mfn_of(run, w.index) * page_bytes;
    case word_kind::mfn: return w.value + mfn_of(run, w.index);
    case word_kind::window: return w.value + run.window.va + w.index * page_bytes;
    case word_kind::blob:
      if (!blob_bytes || w.index >= max_blobs) break;
      return w.value + address_of(blob_memory(w.index, blob_bytes[w.index]));
    case word_kind::unmapped: return w.value + unmapped_va();
    case word_kind::l4_entry: return w.value + run.env.l4_entries[w.index % 512];
    case word_kind::mfn_high: return w.value + (mfn_of(run, w.index) << 32);
    case word_kind::grant_high: return w.value + (u64{run.first_grant + w.index} << 32);
    case word_kind::grant_maddr:
      return w.value + mfn_of(run, name_grant_table) * page_bytes +
             (run.first_grant + w.index) % grants_per_frame * sizeof(u64);
    case word_kind::earlier_high: return w.value + (earlier_word(run, w.index) >> 32);
  }
  lost("a word of no kind", static_cast<u64>(w.kind));
}

void fill(const running& run, const content* contents, u32 nr_contents, u32 frame, u64* words, u32 nr_words = 512) {
  for (const content* c = contents; c != contents + nr_contents; ++c)
    if (c->frame == frame)
      for (u32 slot = c->slot; slot < u32{c->slot} + c->nr && slot < nr_words; ++slot)
        words[slot] = resolve(run, c->value);
}

/// The program's part of the grant table.
void prepare_grants(running& run, const program_header& program, const content* contents) {
  if (program.nr_grants == 0) return;
  run.env.frames.map(mfn_of(run, name_grant_table), flags_rw);
  fill(run, contents, program.nr_contents, name_grant_table,
       run.env.frames.scratch() + run.first_grant % grants_per_frame, program.nr_grants);
  run.env.frames.release();
}

/// Contents may name any frame, so all are taken before the first is filled.
void prepare_frames(running& run, const program_header& program, const content* contents) {
  const u32 nr_zeroed = program.nr_frames - program.nr_untouched;
  u64* foreign = run.mfns + program.nr_names;
  for (u32 i = 0; i < program.nr_names; ++i) run.mfns[i] = ~u64{0};
  if (program.nr_foreign) populate_foreign_domain(program.nr_foreign, foreign);
  for (u32 i = 0; i < program.nr_frames; ++i)
    run.mfns[i] = i < nr_zeroed ? run.env.frames.take_zeroed() : run.env.frames.take_untouched();
  for (u32 i = 0; i < nr_zeroed; ++i) {
    run.env.frames.map(run.mfns[i], flags_rw);
    fill(run, contents, program.nr_contents, i, run.env.frames.scratch());
  }
  for (u32 i = 0; i < program.nr_foreign; ++i) {
    run.env.frames.map_foreign(foreign[i], flags_rw);
    memset(run.env.frames.scratch(), 0, page_bytes);
    fill(run, contents, program.nr_contents, name_foreign + i, run.env.frames.scratch());
  }
  run.env.frames.release();
}

struct call_blob {
  const blob_header* header;
  const word* words;
  u8* memory;
};

/// Lays the call's blobs out. They may point to each other, so all have their places first.
void place_blobs(const running& run, reader& module, u32 nr_blobs, call_blob* blobs, u32* bytes) {
  if (nr_blobs > max_blobs) lost("a call has too many blobs", nr_blobs);
  for (u32 i = 0; i < nr_blobs; ++i) {
    blobs[i].header = module.next<blob_header>();
    blobs[i].words = module.next<word>(blobs[i].header->nr_words);
    bytes[i] = blobs[i].header->bytes;
    if (bytes[i] > blobs[i].header->nr_words * u64{8}) lost("a blob has more bytes than words", bytes[i]);
    blobs[i].memory = blob_memory(i, bytes[i]);
  }
  for (u32 i = 0; i < nr_blobs; ++i)
    for (u32 at = 0; at < bytes[i]; at += 8) {
      const u64 value = resolve(run, blobs[i].words[at / 8], bytes);
      __builtin_memcpy(blobs[i].memory + at, &value, bytes[i] - at < 8 ? bytes[i] - at : 8);
    }
}

void report_blobs(const running& run, u32 nr_blobs, const call_blob* blobs, call_result& result) {
  for (u32 i = 0; i < nr_blobs; ++i) {
    const blob_header& header = *blobs[i].header;
    if (!(header.flags & blob_out)) continue;
    u64* out = run.env.answers.append<u64>(header.nr_words);
    __builtin_memcpy(out, blobs[i].memory, header.bytes);
    result.nr_out = static_cast<u16>(result.nr_out + header.nr_words);
  }
}

void adopt(running& run, const call_header& call, const call_blob* blobs, s64 result) {
  if (call.adopt_blob == call_header::no_adoption || result < 0) return;
  const u64 number = result > 0 ? static_cast<u64>(result) : call.adopt_number;
  const u64* mfns = reinterpret_cast<const u64*>(blobs[call.adopt_blob].memory);
  for (u32 i = 0; i < number && call.adopt_first + i < run.nr_names; ++i) run.mfns[call.adopt_first + i] = mfns[i];
}

void run_call(running& run, reader& module, program_result& answer) {
  const call_header& call = *module.next<call_header>();
  call_blob blobs[max_blobs];
  u32 bytes[max_blobs] = {};
  place_blobs(run, module, call.nr_blobs, blobs, bytes);
  u64 args[max_args];
  for (u32 i = 0; i < max_args; ++i) args[i] = resolve(run, call.args[i], bytes);

  call_result result;
  if (call.kind == call_kind::hypercall) {
    result.result = call_with_frame(call.op, args, call.iret_rax);
  } else {
    result = perform({static_cast<access_op>(call.op & 0xff), call.op >> 8 & 0xff, args[0], args[1], args[2]});
  }
  call_result* place = run.env.answers.append<call_result>();
  report_blobs(run, call.nr_blobs, blobs, result);
  *place = result;
  adopt(run, call, blobs, result.result);
  ++answer.nr_calls;
}

/// Back to the probe's own tables, and away with everything else that a program can have set.
void go_back(const environment& env) {
  const mmuext_op ops[] = {{MMUEXT_NEW_BASEPTR, env.answers.header().probe_l4_mfn, 0},
                           {MMUEXT_NEW_USER_BASEPTR, 0, 0},
                           {MMUEXT_SET_LDT, 0, 0}};
  if (hypercall(HYPERVISOR_mmuext_op, address_of(ops), 3, 0, DOMID_SELF) != 0)
    lost("after program", env.answers.header().nr_programs);
  hypercall(HYPERVISOR_set_gdt, 0, 0);
  const u64 assists[] = {2, 4, 5, 32};  // writable_pagetables, architectural_iopl, runstate_update_flag, m2p_strict
  for (u64 type : assists) hypercall(HYPERVISOR_vm_assist, VMASST_CMD_disable, type);
}

}  // namespace

void run_program(environment& env, reader& module) {
  const program_header& program = *module.next<program_header>();
  if (program.nr_names + program.nr_foreign > max_frames || program.nr_frames > program.nr_names ||
      program.nr_untouched > program.nr_frames)
    lost("a program wants too many frames", program.nr_names);
  const content* contents = module.next<content>(program.nr_contents);

  program_result& answer = *env.answers.append<program_result>();
  const windows::window window = env.window_maker.open();
  answer = {.nr_names = program.nr_names,
            .nr_calls = 0,
            .nr_foreign = program.nr_foreign,
            .first_grant = env.grants.take(program.nr_grants),
            .window_va = window.va,
            .window_l1_mfn = window.l1_mfn,
            .window_l2_mfn = window.l2_mfn};
  u64* mfns = env.answers.append<u64>(program.nr_names + program.nr_foreign);
  running run{env, window, mfns, program.nr_names, program.nr_foreign, answer.first_grant, env.answers.end()};
  prepare_frames(run, program, contents);
  prepare_grants(run, program, contents);
  ++env.answers.header().nr_begun;
  for (u32 i = 0; i < program.nr_calls; ++i) run_call(run, module, answer);
  go_back(env);
  env.answers.commit();
}

}  // namespace pvmmu::probe
