# The lab's guest, 512 bytes: at each tick of the BIOS (55 ms) it sends "tick <count in hex>" to its serial line. The count goes
# on over a live migration and begins anew with a boot: so one sees which guest it is, and whether two of it ran.
# guest.b64 is made of this: as --32 guest.S -o guest.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary guest.o -o guest.img && base64 -w 120 guest.img
.code16
.global _start
_start:
  cli
  xor %ax,%ax
  mov %ax,%ds
  mov %ax,%es
  mov %ax,%ss
  mov $0x7c00,%sp
  sti
  cld
  mov $0x3fb,%dx          # COM1: 115200 baud, 8n1
  mov $0x80,%al
  out %al,%dx
  mov $0x3f8,%dx
  mov $1,%al
  out %al,%dx
  inc %dx
  xor %al,%al
  out %al,%dx
  mov $0x3fb,%dx
  mov $3,%al
  out %al,%dx
main:
  mov 0x46c,%ax           # the BIOS's tick counter
  cmp last,%ax
  je idle
  mov %ax,last
  incl count
  mov $msg,%si
  call puts
  mov count,%eax
  mov $8,%cx
1: rol $4,%eax
  push %eax
  and $15,%al
  add $'0',%al
  cmp $'9',%al
  jbe 2f
  add $39,%al
2: call putc
  pop %eax
  loop 1b
  mov $10,%al
  call putc
  jmp main
idle:
  sti
  hlt
  jmp main
puts: lodsb
  test %al,%al
  jz 3f
  call putc
  jmp puts
3: ret
putc: push %dx
  push %ax
  mov $0x3fd,%dx
4: in %dx,%al
  test $0x20,%al
  jz 4b
  pop %ax
  mov $0x3f8,%dx
  out %al,%dx
  pop %dx
  ret
msg: .asciz "tick "
last: .word 0
count: .long 0
.org 510
.word 0xaa55
