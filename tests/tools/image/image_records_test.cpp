// A machine's image as records: what is written comes back, and what else comes is refused.

#include "tools/image/image_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "hypervisor-model/domain_builder.h"
#include "hypervisor-model/grant_table.h"
#include "hypervisor-model/machine_image_check.h"
#include "tests/hypervisor-model/random_guests.h"

namespace pvmmu::tools {
namespace {

using testing::HasSubstr;

recording::header header_of(const xen::machine_image& image) {
  recording::header header;
  header.set_machine_frames(image.config.frames);
  header.set_debug_build(image.config.debug_build);
  header.set_tlb(image.config.tlb);
  return header;
}

std::vector<recording::record> records_of(const xen::machine_image& image) {
  std::vector<recording::record> records;
  for_each_record(image, [&](const recording::record& r) { records.push_back(r); });
  return records;
}

xen::machine_image read(const recording::header& header, const std::vector<recording::record>& records) {
  image_builder builder(header, records.at(0).machine_image());
  for (std::size_t i = 1; i < records.size(); ++i) builder.take(records[i].image_pages());
  EXPECT_TRUE(builder.complete());
  return builder.finish();
}

std::string complaint_about(const recording::header& header, const std::vector<recording::record>& records) try {
  read(header, records);
  return "";
} catch (const std::invalid_argument& e) {
  return e.what();
}

// Whatever guests have done, and whatever else a machine may hold: an image's records make the image.
TEST(image_records_test, come_back) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  xen::seeded_choices from(seed);
  xen::random_guests guests(from, {.frames = 1024, .debug_build = true, .tlb = true});
  guests.m.machphys_mfns = {{7}, {8}};
  guests.m.find_domain(0)->iomem_caps.push_back({{9}, INVALID_MFN});
  const std::vector<mfn_t> offered{{1000}, INVALID_MFN};
  for (int i = 0; i < 100; ++i) {
    guests.step();
    if (i % 10 == 0) guests.m.offer_frames(offered);
    const xen::machine_image image = save(guests.m);
    ASSERT_TRUE(read(header_of(image), records_of(image)) == image) << guests.last;
    guests.m.offer_frames({});
  }
}

// No record is large, and an image is far smaller than what it holds.
TEST(image_records_test, are_small) {
  xen::machine m({.frames = u64{1} << 18});
  xen::build_domain(m, {.pages = 32768}).value();
  const xen::machine_image image = save(m);
  std::size_t all = 0;
  for (const recording::record& r : records_of(image)) {
    EXPECT_LT(r.ByteSizeLong(), std::size_t{1} << 17);
    all += r.ByteSizeLong();
  }
  const std::size_t pages = image.frame_table.pages.size() + image.ram.pages.size() + image.m2p.pages.size();
  EXPECT_LT(all, pages * PAGE_SIZE / 16);
  EXPECT_TRUE(xen::restore_checked(image).has_value());
}

class image_records_of : public testing::Test {
 protected:
  image_records_of() {
    xen::build_domain(m, {.pages = 2048, .kernel_pages = 512}).value();
    image = save(m);
    records = records_of(image);
    header = header_of(image);
  }
  recording::image_pages& pages(std::size_t record) { return *records.at(record).mutable_image_pages(); }

  xen::machine m{{.frames = 4096}};
  xen::machine_image image;
  std::vector<recording::record> records;
  recording::header header;
};

// Each error says what was expected.
TEST_F(image_records_of, something_else_are_refused) {
  const auto whole = records;
  header.set_machine_frames(4095);
  EXPECT_THAT(complaint_about(header, records), HasSubstr("of another machine"));
  header.set_machine_frames(4096);
  records[0].mutable_machine_image()->set_version(99);
  EXPECT_THAT(complaint_about(header, records), HasSubstr("version 99: 1 is expected"));
  records = whole;
  records[0].mutable_machine_image()->add_xen_l4_slots(0);
  EXPECT_THAT(complaint_about(header, records), HasSubstr("17 slots of Xen's in an L4: 16 are expected"));
  records = whole;
  records[0].mutable_machine_image()->mutable_domains(0)->mutable_vcpus(0)->clear_ldt_frames();
  EXPECT_THAT(complaint_about(header, records), HasSubstr("0 LDT frames: 16 are expected"));
  records = whole;
  *pages(1).add_pages() = pages(1).pages(0);
  EXPECT_THAT(complaint_about(header, records), HasSubstr("ascending ones are expected"));
  records = whole;
  pages(1).set_memory(recording::image_pages::maptrack);
  pages(1).set_domain(1);
  EXPECT_THAT(complaint_about(header, records), HasSubstr("grants of domain 1 of 1"));
  records = whole;
  pages(1).mutable_pages(0)->add_skip(1);
  EXPECT_THAT(complaint_about(header, records), HasSubstr("as many of each are expected"));
  records = whole;
  records.push_back(records.back());
  EXPECT_THROW(read(header, records), std::invalid_argument);
}

}  // namespace
}  // namespace pvmmu::tools
