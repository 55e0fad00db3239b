// Where Xen enters the probe, what it must know of it (ELF notes), and how exceptions reach it.

.macro note type, kind, value:vararg
    .pushsection .note.xen, "a", @note
    .align 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  \kind \value
2:  .align 4
    .popsection
.endm

// An exception with an error code. Xen enters here with rcx and r11 on top of the processor's own frame.
.macro exception name, vector
    .globl \name
\name:
    popq %rcx
    popq %r11
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    cld
    movl $\vector, %edi
    leaq 9*8(%rsp), %rsi
    call on_exception
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    movq $0, (%rsp)             // where the error code was: the flags of the iret call
    jmp hypercall_page + 23*32
.endm

    // The types' numbers: xen public/elfnote.h.
    note 1, .quad, _start           // ENTRY
    note 2, .quad, hypercall_page   // HYPERCALL_PAGE
    note 3, .quad, virt_base        // VIRT_BASE
    note 4, .quad, virt_base        // PADDR_OFFSET: the file's physical addresses are virtual ones
    note 5, .asciz, "xen-3.0"       // XEN_VERSION
    note 6, .asciz, "pvmmu probe"   // GUEST_OS
    note 8, .asciz, "generic"       // LOADER

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    cld
    movq %rsi, %rdi                 // start_info
    movq %rsp, %rsi                 // the end of the stack that Xen made: the last thing in what it mapped
    leaq stack_end(%rip), %rsp
    xorl %ebp, %ebp
    call probe_main
    ud2

exception page_fault, 14
exception general_protection, 13
exception segment_not_present, 11

    // An event, though none was asked for: a program has written to shared_info. Without IF there is no other.
    .globl event
event:
    popq %rcx
    popq %r11
    andq $~0x200, 2*8(%rsp)
    pushq $0
    jmp hypercall_page + 23*32

    // s64 call_with_frame(u64 number, const u64 args[5], u64 frame_rax): a hypercall with a frame on the stack for iret,
    // which leads where it returns to anyway, with the stack as it is.
    .globl call_with_frame
call_with_frame:
    leaq -9*8(%rsp), %r9
    pushq $0xe02b
    pushq %r9
    pushfq
    andq $~0x200, (%rsp)            // without IF events stay masked
    pushq $0xe030                   // FLAT_KERNEL_CS but for its RPL, which would mean user mode
    leaq 1f(%rip), %rax
    pushq %rax
    pushq $0                        // VGCF_in_syscall is not set
    pushq %rcx
    pushq %r11
    pushq %rdx
    movq %rdi, %rax
    movq (%rsi), %rdi
    movq 16(%rsi), %rdx
    movq 24(%rsi), %r10
    movq 32(%rsi), %r8
    movq 8(%rsi), %rsi
    syscall
1:  addq $9*8, %rsp
    ret

    .section .text.hypercall_page, "ax", @progbits
    .globl hypercall_page
    .align 4096
hypercall_page:
    .skip 4096

    .bss
    .align 4096
    .skip 65536
stack_end:

    .section .note.GNU-stack, "", @progbits
