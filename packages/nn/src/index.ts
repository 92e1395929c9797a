export {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
  type SafetensorsContent,
  type SafetensorsInput,
} from './safetensors.ts';
