"""The bundled prior of photographs: data, network, training, export, figures."""
