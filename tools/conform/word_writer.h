#pragma once
// Words of a program in the language: as an entry, an address or a frame where they read so, else as a `word`. What is
// said reads back as the same word.

#include <scenario.pb.h>

#include "tools/lab/program.h"

namespace pvmmu::conform {

class word_writer {
 public:
  explicit word_writer(const lab::program& p) : program_(p) {}

  void frame(u32 index, scenario::frame& to) const;
  void pte(const lab::word& w, scenario::pte& to) const;
  void address(const lab::word& w, scenario::address& to) const;
  void word(const lab::word& w, scenario::word& to) const;

  /// A message that has a number, a `pte` and a word to choose from, by the functions that set each.
  template <class Number, class Pte, class Word>
  void value(const lab::word& w, Number set_number, Pte mutable_pte, Word mutable_word) const {
    if (reads_as_pte(w))
      pte(w, *mutable_pte());
    else if (is_number(w))
      set_number(w.value);
    else
      word(w, *mutable_word());
  }

  static bool is_number(const lab::word& w) { return w.kind == lab::word_kind::plain; }
  /// A present entry, of a frame of the program's or of any.
  static bool reads_as_pte(const lab::word& w);
  /// A slot of a table, and a command below 8.
  static bool reads_as_entry(const lab::word& w);
  static bool reads_as_address(const lab::word& w);
  /// A frame's number and nothing more.
  static bool reads_as_frame(const lab::word& w) { return w.kind == lab::word_kind::mfn && w.value == 0; }

 private:
  const lab::program& program_;
};

}  // namespace pvmmu::conform
