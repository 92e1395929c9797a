/**
 * 1. Tensors: arrays on a device, formulas over them, and who frees what.
 *    npx tsx examples/1-tensors.ts
 */
import { map, matmul, scope, softmax, sum, tensor } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';

const device = await openDevice();
console.log(`on ${device.name}`);

const a = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
const bias = tensor([0.1, 0.2, 0.3]);

// A pointwise formula is one fused kernel; inputs broadcast as in numpy.
const y = map('tanh(a) * 2 + bias', { a, bias });
console.log('formula ', await y.data());

// a · aᵀ reads its second operand transposed, without a copy.
const gram = matmul(a, a, { transposeB: true });
console.log('gram    ', gram.shape, await gram.data());

// A scope frees what it made, except for what it returns.
const total = scope(() => sum(softmax(gram)));
console.log('softmax rows sum to', await total.item(), 'together');
device.destroy();
