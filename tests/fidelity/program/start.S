// Where the kernel enters the program, and how a second thread begins.

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    xorl %ebp, %ebp
    movq %rsp, %rdi                 // argc, argv, environment, auxiliary vector
    andq $-16, %rsp
    call workload_main
    ud2

    // s64 clone_thread(u64 flags, void* stack_end, void (*run)(void*), void* argument): the thread's id; the new thread
    // calls run(argument), which does not return.
    .globl clone_thread
clone_thread:
    movq %rdx, %r8
    movq %rcx, %r9
    xorl %edx, %edx
    xorl %r10d, %r10d
    movl $56, %eax                  // clone
    syscall
    testq %rax, %rax
    jnz 1f
    xorl %ebp, %ebp
    movq %r9, %rdi
    call *%r8
    ud2
1:  ret

    .section .note.GNU-stack, "", @progbits
